"""What is known of namespaces, keys and releases after the entries seen so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from pydantic import TypeAdapter

from capmart_core.ledger.changes import ReleasePublished
from capmart_core.text import Text

# Who set a mark, besides centers by their origin. ``@`` is in no origin, so that no log can take these names.
PUBLISHER = "@publisher"
EQUIVOCATION = "@equivocation"


class ReleaseState(StrEnum):
    """The state of a release that is in the log, from the mildest to the strictest."""

    LISTED = "listed"
    DEPRECATED = "deprecated"
    YANKED = "yanked"
    QUARANTINED = "quarantined"
    RECALLED = "recalled"
    TAKEN_DOWN = "taken_down"

    @property
    def strictness(self) -> int:
        """Rank; the higher one wins."""
        return list(ReleaseState).index(self)

    @property
    def resolvable(self) -> bool:
        """Whether a new install may choose it."""
        return self in (ReleaseState.LISTED, ReleaseState.DEPRECATED)

    @property
    def installable(self) -> bool:
        """Whether an install may use it at all; a yanked one only where a lock file names it."""
        return self.strictness <= ReleaseState.YANKED.strictness


@dataclass(frozen=True)
class Mark:
    """One thing held against a release. Marks are independent of each other: taking one back leaves the others.

    Attributes:
        state: what it makes of the release.
        by: ``@publisher``, the origin of the center that set it, ``@equivocation``, or ``@key:`` and a key's id.
        index: of the entry that set it, in its origin's log.
        at: when that entry's statement was made.
    """

    state: ReleaseState
    by: str
    index: int
    at: datetime | None = None
    reason: Text | None = None
    replacement: str | None = None
    deadline: datetime | None = None


@dataclass(frozen=True)
class NamespaceFact:
    """Whose a namespace is, and the origin of the log that is its home."""

    namespace: str
    home: str
    organisation: str
    granted_index: int


@dataclass(frozen=True)
class KeyFact:
    """A publisher key of a namespace.

    Attributes:
        key: the public key's text.
        added_index: of the entry that granted it; it signs entries after that one.
        revoked_from: it signs no entries from this index on; None while it is good.
    """

    namespace: str
    keyid: str
    key: str
    added_index: int
    revoked_from: int | None = None

    def signs(self, index: int) -> bool:
        """Whether an entry at ``index`` may carry its signature."""
        return self.added_index < index and (self.revoked_from is None or index < self.revoked_from)


@dataclass(frozen=True)
class ReleaseFact:
    """All that is known of one release.

    Attributes:
        published: its publication; None while only another center's act about it has been seen.
        marks: what is held against it, at most one per state and author.
        seqs: last accepted sequence number by signer (``@publisher``, or a center's origin).
        signed: by key id, the index of the last entry about it that this publisher key signed.
        listed_by: origins of centers that are not its home and list it.
    """

    component: str
    version: str
    published: ReleasePublished | None = None
    marks: tuple[Mark, ...] = ()
    seqs: Mapping[str, int] = field(default_factory=dict)
    signed: Mapping[str, int] = field(default_factory=dict)
    listed_by: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """``namespace/name@version``."""
        return f"{self.component}@{self.version}"

    @property
    def verdict(self) -> Mark | None:
        """The strictest mark, the one that gives the state and the reason; the earliest of equals."""
        return max(self.marks, key=lambda mark: (mark.state.strictness, -mark.index), default=None)

    @property
    def state(self) -> ReleaseState:
        """The strictest state wins, in whatever order the marks arrived."""
        return self.verdict.state if self.verdict is not None else ReleaseState.LISTED

    def mark(self, state: ReleaseState, by: str) -> Mark | None:
        """The mark that ``by`` set for ``state``, or None."""
        return next((mark for mark in self.marks if mark.state is state and mark.by == by), None)


class LedgerView(Protocol):
    """What the rules ask: all that is known, whatever holds it."""

    def namespace(self, namespace: str) -> NamespaceFact | None:
        """The namespace, once a grant was seen."""
        ...

    def key(self, namespace: str, keyid: str) -> KeyFact | None:
        """A key of a namespace, also when it is revoked."""
        ...

    def release(self, component: str, version: str) -> ReleaseFact | None:
        """A release, also when only another center's act about it was seen."""
        ...

    def releases(self, namespace: str) -> Iterable[ReleaseFact]:
        """Every release of a namespace."""
        ...


_releases: TypeAdapter[ReleaseFact] = TypeAdapter(ReleaseFact)


def encode_release(fact: ReleaseFact) -> bytes:
    """A release's fact as JSON, for stores that keep it whole."""
    return _releases.dump_json(fact, exclude_none=True)


def decode_release(data: bytes | str) -> ReleaseFact:
    """Read what :func:`encode_release` wrote."""
    return _releases.validate_json(data)
