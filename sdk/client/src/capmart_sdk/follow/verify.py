"""Checks of what a source serves against what is known: nothing here is applied, everything here may be refused."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from capmart_core.errors import ClockWrong, LogCorrupt, LogFork, LogFrozen, LogRollback, NotFound
from capmart_core.log import Checkpoint, Frontier, Tile, TileReader, leaf_hash, range_nodes
from capmart_core.log.merkle import HASH_BYTES
from capmart_core.times import format_utc
from capmart_sdk.follow.ports import LogSource, LogState

MAX_SKEW = timedelta(minutes=5)


@dataclass(frozen=True)
class Evidence:
    """Keeps proofs of misbehaviour in a folder. The same proof is kept once."""

    folder: Path

    def keep(self, kind: str, files: Mapping[str, bytes]) -> Path:
        """Write the files into a folder of their own and return it."""
        digest = hashlib.sha256(b"".join(files[name] for name in sorted(files))).hexdigest()
        place = self.folder / f"{kind}-{digest[:16]}"
        place.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (place / name).write_bytes(data)
        return place


def check_progress(state: LogState, served: Checkpoint, note: bytes, evidence: Evidence) -> None:
    """The log may stay as it was or grow.

    Raises:
        LogRollback: it has fewer entries than before.
        LogFork: it has as many, but others.
    """
    if served.size < state.size:
        place = evidence.keep("rollback", {"known.txt": state.checkpoint, "served.txt": note})
        raise LogRollback(origin=state.origin, size=served.size, known=state.size, evidence=place)
    if served.size == state.size and served.root != state.root:
        place = evidence.keep("fork", {"known.txt": state.checkpoint, "served.txt": note})
        raise LogFork(origin=state.origin, size=served.size, evidence=place)


def check_age(origin: str, at: datetime, now: datetime, max_age: timedelta | None) -> None:
    """The log must have said lately that its checkpoint is current.

    Raises:
        ClockWrong: it is dated in the future.
        LogFrozen: it is older than the policy allows.
    """
    if at > now + MAX_SKEW:
        raise ClockWrong(what=f"the checkpoint of {origin}", at=format_utc(at), now=format_utc(now))
    if max_age is not None and now - at > max_age:
        raise LogFrozen(origin=origin, at=format_utc(at), limit=str(max_age))


class LogVerifier:
    """Verifies the entries after a known state against one signed checkpoint.

    Entries are hashed into the frontier; what the checkpoint covers beyond them is taken from hash tiles. The entries
    count only when both together give the signed root: so each batch is verified on its own, and a log of any length is
    followed in bounded memory.

    Args:
        state: what is known and believed.
        served: the checkpoint, its signature checked.
        note: the checkpoint as it was served, for evidence.
        source: gives tiles.
        evidence: where proofs are kept.
    """

    def __init__(self, state: LogState, served: Checkpoint, note: bytes, source: LogSource, evidence: Evidence) -> None:
        self._state = state
        self._served = served
        self._note = note
        self._source = source
        self._evidence = evidence

    def check_known(self) -> None:
        """The newest checkpoint known must be a beginning of the served one.

        Needed only while entries that it covers are still to be applied; otherwise verifying the next ones shows it.

        Raises:
            LogFork: it is not.
            LogCorrupt: the tiles do not add up.
        """
        state = self._state
        if not 0 < state.size < self._served.size or state.size == state.cursor:
            return
        if self._authentic(state.size).root() != state.root:
            raise self._fork()

    def extend(self, entries: Sequence[bytes]) -> Frontier:
        """The frontier after these entries, once the signed root says that they are the log's.

        Raises:
            LogFork: the log has another history before them than the one known.
            LogCorrupt: they are not the log's, or the tiles do not add up.
        """
        after = self._state.frontier.add(leaf_hash(entry) for entry in entries)
        if after.size == self._served.size:
            if after.root() == self._served.root:
                return after
        elif any(self._adds_up(after, widest=widest) for widest in (False, True)):
            return after
        raise self._why()

    def _why(self) -> LogFork | LogCorrupt:
        """Whether the history before differs (a fork) or only what was served now (corrupt, may be mended)."""
        cursor = self._state.cursor
        if cursor and self._authentic(cursor).hashes != self._state.frontier.hashes:
            return self._fork()
        return self._corrupt(f"the entries from {cursor} on are not those under the signed root")

    def _authentic(self, size: int) -> Frontier:
        """The frontier that the served log had at ``size``, from tiles that add up to its signed root."""
        for widest in (False, True):
            read = self._reader(widest=widest)
            known, rest = range_nodes(0, size), range_nodes(size, self._served.size)
            try:
                hashes = read([*known, *rest])
                frontier = Frontier(size, tuple(hashes[: len(known)]))
                if frontier.extend(rest, hashes[len(known) :]).root() == self._served.root:
                    return frontier
            except (NotFound, ValueError):
                continue
        raise self._corrupt("the hash tiles do not add up to the signed root")

    def _adds_up(self, after: Frontier, *, widest: bool) -> bool:
        rest = range_nodes(after.size, self._served.size)
        try:
            return after.extend(rest, self._reader(widest=widest)(rest)).root() == self._served.root
        except (NotFound, ValueError):
            return False

    def _reader(self, *, widest: bool) -> TileReader:
        return tile_reader(self._source, self._served.size, widest=widest)

    def _fork(self) -> LogFork:
        place = self._evidence.keep("fork", {"known.txt": self._state.checkpoint, "served.txt": self._note})
        return LogFork(origin=self._state.origin, size=self._state.size, evidence=place)

    def _corrupt(self, reason: str) -> LogCorrupt:
        return LogCorrupt(origin=self._state.origin, reason=f"{self._source.name}: {reason}")


def tile_reader(source: LogSource, size: int, *, widest: bool = False) -> TileReader:
    """Reads hashes out of the tiles of a log of ``size`` entries; the caller compares them with a signed root.

    Args:
        source: gives the tiles.
        size: of the log.
        widest: ask for full tiles first, where a cache may hold stale partial ones.
    """

    def fetch(tile: Tile) -> bytes:
        return _fetch_tile(source, tile, widest=widest)

    return TileReader(size, fetch)


def _fetch_tile(source: LogSource, tile: Tile, *, widest: bool) -> bytes:
    """A tile's content; where a partial one is gone or has another width, the beginning of the full one.

    Logs may delete a partial tile once the full one exists (C2SP tlog-tiles, "Partial Tiles").
    """
    length = tile.width * HASH_BYTES
    for candidate in (tile.full, tile) if widest else (tile, tile.full):
        try:
            data = source.tile(candidate)
        except NotFound:
            continue
        if len(data) >= length and len(data) <= candidate.width * HASH_BYTES:
            return data[:length]
    raise NotFound(what=tile.path)
