"""What an accepted entry changes. Each change names the log and the index it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from capmart_core.manifest.models import Kind

if TYPE_CHECKING:  # facts hold a publication, and a change of state holds a mark
    from capmart_core.ledger.facts import Mark, ReleaseState


@dataclass(frozen=True)
class _Change:
    origin: str
    index: int


@dataclass(frozen=True)
class NamespaceGranted(_Change):
    """The namespace belongs to the organisation, and ``origin`` is its home."""

    namespace: str
    organisation: str


@dataclass(frozen=True)
class NamespaceTransferred(_Change):
    """The namespace belongs to another organisation now."""

    namespace: str
    organisation: str


@dataclass(frozen=True)
class KeyAdded(_Change):
    """The key signs for the namespace from the next entry on."""

    namespace: str
    keyid: str
    key: str


@dataclass(frozen=True)
class KeyRevokedFrom(_Change):
    """The key signs no entries from ``from_index`` on; releases that rest on such entries are quarantined beside it."""

    namespace: str
    keyid: str
    from_index: int


@dataclass(frozen=True)
class ReleasePublished(_Change):
    """A release exists; the facets are those that its publisher signed, so that filters need no manifest.

    Attributes:
        digest: of the package's index.
        config: of the manifest.
        keyid: of the publisher key that signed it.
        at: when the publisher made the statement.
        accepted: when the center accepted it.
        report: digest of the signed review report.
    """

    component: str
    version: str
    digest: str
    config: str
    kind: Kind
    industries: tuple[str, ...]
    scenarios: tuple[str, ...]
    seq: int
    keyid: str
    at: datetime
    accepted: datetime
    report: str | None = None

    @property
    def namespace(self) -> str:
        """The component's namespace."""
        return self.component.partition("/")[0]


@dataclass(frozen=True)
class ReleaseStateChanged(_Change):
    """A mark was set on a release or taken back from it.

    Attributes:
        mark: the mark; when ``on`` is false, the one that is taken back.
        on: whether it was set.
        state: of the release afterwards, all marks together.
        seq: of the signer's statement; None when the change follows from something else (a key revoked, equivocation).
        keyid: of the publisher key that signed it; None for a center's act.
    """

    component: str
    version: str
    mark: Mark
    on: bool
    state: ReleaseState
    seq: int | None = None
    keyid: str | None = None


@dataclass(frozen=True)
class ListingChanged(_Change):
    """A center that is not the release's home lists it, or no longer does."""

    component: str
    version: str
    listed: bool
    seq: int


Change = (
    NamespaceGranted
    | NamespaceTransferred
    | KeyAdded
    | KeyRevokedFrom
    | ReleasePublished
    | ReleaseStateChanged
    | ListingChanged
)
