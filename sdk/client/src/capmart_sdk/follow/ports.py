"""What a follower reads from (a source) and writes to (a store)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from capmart_core.errors import CapmartError
from capmart_core.ledger import Change, KeyFact, LedgerView, NamespaceFact, ReleaseFact, ReleasePublished, Verdict
from capmart_core.log import EMPTY_ROOT, Frontier, Tile
from capmart_core.signing import PublicKey


@dataclass(frozen=True)
class LogState:
    """How far a log was followed.

    Attributes:
        origin: of the log.
        key: the log key under which all of it was verified.
        checkpoint: the newest verified checkpoint, as it was served; empty before the first.
        size: entries that it covers.
        root: Merkle Tree Hash that it signs.
        at: when the log dated it, UTC; None before the first.
        frontier: of the entries applied so far, never more than ``size``; all that is needed to verify the next ones.
    """

    origin: str
    key: PublicKey
    checkpoint: bytes = b""
    size: int = 0
    root: bytes = EMPTY_ROOT
    at: datetime | None = None
    frontier: Frontier = field(default_factory=Frontier)

    @property
    def cursor(self) -> int:
        """Index of the first entry not applied yet."""
        return self.frontier.size


@dataclass(frozen=True)
class Batch:
    """Verified and judged entries, to be committed together with the state that follows.

    Attributes:
        start: index of the first entry.
        verdicts: one per entry, in order, refused ones among them.
        namespaces: facts that changed, as they are afterwards.
        keys: likewise.
        releases: likewise.
        bodies: manifests of published releases that the store wants, by digest, verified. One is absent when the source
            no longer has it (a release taken down).
        revision: of the store's facts, on which the verdicts rest.
        state: afterwards.
        entries: of the checkpoint that remain after this batch.
    """

    start: int
    state: LogState
    revision: int
    verdicts: tuple[Verdict, ...] = ()
    namespaces: tuple[NamespaceFact, ...] = ()
    keys: tuple[KeyFact, ...] = ()
    releases: tuple[ReleaseFact, ...] = ()
    bodies: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        """Of the log."""
        return self.state.origin

    @property
    def remaining(self) -> int:
        """Entries that the checkpoint covers and that are not applied yet."""
        return self.state.size - self.state.cursor

    @property
    def changes(self) -> tuple[Change, ...]:
        """What all entries together change, in order."""
        return tuple(change for verdict in self.verdicts for change in verdict.changes)


class LogSource(Protocol):
    """A log as somebody serves it: its home, a relay, a folder. Nothing that it gives is believed.

    Every method raises CenterUnavailable when it cannot answer now, and Busy when it was asked to come back later.
    """

    @property
    def name(self) -> str:
        """What messages call it."""
        ...

    def checkpoint(self) -> bytes:
        """The newest checkpoint."""
        ...

    def tile(self, tile: Tile) -> bytes:
        """The content of a hash tile.

        Raises:
            NotFound: it does not have that tile.
        """
        ...

    def entries(self, start: int, limit: int, wait: float = 0.0) -> Sequence[bytes]:
        """Entries from index ``start`` on: as many as it likes, ``limit`` at most.

        Args:
            start: index of the first.
            limit: the most.
            wait: seconds that it may take for entry ``start`` to appear; none afterwards is no error.
        """
        ...

    def bodies(self, start: int, limit: int) -> Sequence[bytes | None]:
        """The manifests that entries from ``start`` on name; None where one names none or the source has it not."""
        ...


class FollowStore(LedgerView, Protocol):
    """Where a follower keeps what it learns. The view must show what was applied."""

    def state(self, origin: str) -> LogState | None:
        """How far a log was followed; None when it never was."""
        ...

    def revision(self) -> int:
        """Changes whenever a namespace, key or release changes, whichever log caused it."""
        ...

    def wants(self, published: ReleasePublished) -> bool:
        """Whether the manifest of this release should be fetched (the local filter)."""
        ...

    def apply(self, batch: Batch) -> None:
        """Commit the batch and its state in one transaction.

        A batch whose state was committed before is a no-op.

        Raises:
            StateConflict: the cursor or the revision is not the one that the batch rests on; nothing was written.
            StoreFull: no room; nothing was written.
        """
        ...

    def evidence(self, origin: str) -> Path:
        """Folder for proofs that this log misbehaved; made when needed."""
        ...

    def alarm(self, origin: str, error: CapmartError) -> None:
        """Keep that following this log was refused; the same alarm again only moves its time."""
        ...
