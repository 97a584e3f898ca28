"""Many entries one after the other: facts after a change, a view that remembers, verdicts on logged entries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache

from capmart_core.errors import CapmartError, VersionExists
from capmart_core.ledger.changes import (
    Change,
    KeyAdded,
    KeyRevokedFrom,
    ListingChanged,
    NamespaceGranted,
    NamespaceTransferred,
    ReleasePublished,
    ReleaseStateChanged,
)
from capmart_core.ledger.facts import (
    EQUIVOCATION,
    PUBLISHER,
    KeyFact,
    LedgerView,
    Mark,
    NamespaceFact,
    ReleaseFact,
    ReleaseState,
)
from capmart_core.ledger.rules import ReleaseStatement, interpret_opened, marked, with_mark
from capmart_core.log.entries import decode_entry
from capmart_core.signing import PublicKey, open_statement
from capmart_core.statements import Entry, Publish
from capmart_core.text import Text

_EQUIVOCATION_REASON = Text(
    zh="日志中有两条相互矛盾的发布记录：同一版本对应不同内容",
    en="the log has two publications of this version that contradict each other",
)


def after(fact: ReleaseFact | None, change: ReleasePublished | ReleaseStateChanged | ListingChanged) -> ReleaseFact:
    """A release's fact once a change is applied; ``fact`` is None when nothing was known of it."""
    fact = fact or ReleaseFact(change.component, change.version)
    signer, keyid = change.origin, None
    if isinstance(change, ReleasePublished):
        fact = replace(fact, published=change)
        signer, keyid = PUBLISHER, change.keyid
    elif isinstance(change, ReleaseStateChanged):
        fact = replace(fact, marks=with_mark(fact.marks, change.mark, on=change.on))
        signer, keyid = change.mark.by, change.keyid
    else:
        others = tuple(origin for origin in fact.listed_by if origin != change.origin)
        fact = replace(fact, listed_by=(*others, change.origin) if change.listed else others)
    if change.seq is not None:
        fact = replace(fact, seqs={**fact.seqs, signer: change.seq})
    if keyid is not None:
        fact = replace(fact, signed={**fact.signed, keyid: change.index})
    return fact


class _Remembered:
    """A view that is asked once for each thing; it must not change meanwhile."""

    def __init__(self, view: LedgerView) -> None:
        self.namespace = cache(view.namespace)
        self.key = cache(view.key)
        self.release = cache(view.release)
        self.releases = view.releases


class Overlay:
    """A view with changes applied over another view, which stays as it is; over nothing when none is given.

    Attributes:
        namespaces: facts that differ from the view beneath, by namespace.
        keys: likewise, by namespace and key id.
        changed: likewise, releases by component and version.
    """

    def __init__(self, below: LedgerView | None = None) -> None:
        self._below = None if below is None else _Remembered(below)
        self.namespaces: dict[str, NamespaceFact] = {}
        self.keys: dict[tuple[str, str], KeyFact] = {}
        self.changed: dict[tuple[str, str], ReleaseFact] = {}

    def namespace(self, namespace: str) -> NamespaceFact | None:
        """The namespace, once a grant was seen."""
        return self.namespaces.get(namespace) or (self._below.namespace(namespace) if self._below is not None else None)

    def key(self, namespace: str, keyid: str) -> KeyFact | None:
        """A key of a namespace, also when it is revoked."""
        return self.keys.get((namespace, keyid)) or (
            self._below.key(namespace, keyid) if self._below is not None else None
        )

    def release(self, component: str, version: str) -> ReleaseFact | None:
        """A release, also when only another center's act about it was seen."""
        known = self.changed.get((component, version))
        return known or (self._below.release(component, version) if self._below is not None else None)

    def releases(self, namespace: str) -> Iterator[ReleaseFact]:
        """Every release of a namespace."""
        for fact in self._below.releases(namespace) if self._below is not None else ():
            if (fact.component, fact.version) not in self.changed:
                yield fact
        for (component, _), fact in self.changed.items():
            if component.partition("/")[0] == namespace:
                yield fact

    def apply(self, changes: Iterable[Change]) -> None:
        """Make the changes visible here."""
        for change in changes:
            self._apply(change)

    def _apply(self, change: Change) -> None:
        match change:
            case NamespaceGranted():
                self.namespaces[change.namespace] = NamespaceFact(
                    change.namespace, change.origin, change.organisation, change.index
                )
            case NamespaceTransferred():
                fact = self.namespace(change.namespace)
                if fact is None:
                    raise LookupError(change.namespace)
                self.namespaces[change.namespace] = replace(fact, organisation=change.organisation)
            case KeyAdded():
                self.keys[change.namespace, change.keyid] = KeyFact(
                    change.namespace, change.keyid, change.key, change.index
                )
            case KeyRevokedFrom():
                key = self.key(change.namespace, change.keyid)
                if key is None:
                    raise LookupError(change.keyid)
                self.keys[change.namespace, change.keyid] = replace(key, revoked_from=change.from_index)
            case ReleasePublished() | ReleaseStateChanged() | ListingChanged():
                place = change.component, change.version
                self.changed[place] = after(self.release(*place), change)


@dataclass(frozen=True)
class Verdict:
    """What one logged entry came to.

    Attributes:
        index: of the entry.
        data: the leaf.
        entry: the entry; None when the leaf is none.
        changes: what follows from it.
        refusal: why it does not count; None when it does.
        about: component and version it speaks of, as far as that can be read.
    """

    index: int
    data: bytes
    entry: Entry | None
    changes: tuple[Change, ...]
    refusal: CapmartError | None
    about: tuple[str, str] | None


def judge(origin: str, origin_key: PublicKey, index: int, data: bytes, view: LedgerView) -> Verdict:
    """Interpret a leaf that is in a log: a refusal is part of the verdict, since the log goes on after it.

    Two logged publications of one version with different content prove that the log or the publisher equivocates: the
    first one stays, and the release is quarantined beside the refusal of the second.
    """
    entry: Entry | None = None
    about: tuple[str, str] | None = None
    changes: tuple[Change, ...] = ()
    refusal: CapmartError | None = None
    try:
        entry = decode_entry(data)
        statement, _, _ = open_statement(entry.envelope)
        if isinstance(statement, ReleaseStatement):
            about = (statement.component, statement.version)
        changes = tuple(interpret_opened(origin, origin_key, index, entry, view, statement=statement))
    except VersionExists as error:
        refusal = error
        fact = view.release(*about) if about is not None else None
        if fact and fact.published and isinstance(statement, Publish) and statement.digest != fact.published.digest:
            mark = Mark(ReleaseState.QUARANTINED, EQUIVOCATION, index, statement.at, _EQUIVOCATION_REASON)
            changes = (marked(origin, index, fact, mark, on=True),)
    except CapmartError as error:
        refusal = error
    return Verdict(index, data, entry, changes, refusal, about)
