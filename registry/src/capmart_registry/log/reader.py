"""Reading a log that is kept here, the center's own or a relayed one, never beyond its published checkpoint."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlmodel import Session, col, select, tuple_

from capmart_core.errors import NotFound
from capmart_core.log import HashReader, LogKey, Node, Tile, pack_entries, tile_bytes
from capmart_core.log.tiles import WIDTH, exists
from capmart_core.signing import PublicKey
from capmart_registry.catalog import service as catalog
from capmart_registry.db import Database
from capmart_registry.log.models import CheckpointRow, HashRow, LogRow

MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""About how large one answer with entries or manifests grows, in bytes before compression."""

_GROUP = 32


@dataclass(frozen=True)
class LogReader:
    """One log.

    Attributes:
        own: whether this center writes it.
    """

    db: Database
    origin: str
    key: PublicKey
    own: bool

    @property
    def verifier_key(self) -> LogKey:
        """What somebody must know to trust the log."""
        return LogKey(self.origin, self.key)

    def checkpoint(self) -> CheckpointRow:
        """The published checkpoint.

        Raises:
            NotFound: none was published yet.
        """
        with self.db.read() as session:
            return _checkpoint(session, self.origin)

    def tile(self, path: str) -> bytes:
        """The content of a tile or an entry bundle, by its path below the log.

        Raises:
            InvalidIdentifier: that is no tile's path.
            NotFound: the published log does not have it.
        """
        tile = Tile.parse(path)
        with self.db.read() as session:
            if not exists(tile, _checkpoint(session, self.origin).size):
                raise NotFound(what=f"{self.origin} {path}")
            if tile.level == "entries":
                return pack_entries(_leaves(session, self.origin, tile.number * WIDTH, tile.width))
            return tile_bytes(tile, node_reader(session, self.origin))

    def entries(self, start: int, limit: int) -> bytes:
        """Entries from ``start`` on, framed as in bundles; empty at the end of the published log.

        Fewer than asked for when they are large; whoever asked goes on after the last one.
        """
        with self.db.read() as session:
            limit = min(limit, _checkpoint(session, self.origin).size - start)
            leaves = _leaves(session, self.origin, start, limit) if limit > 0 else []
        return pack_entries(_some(leaves))

    def bodies(self, start: int, limit: int) -> bytes:
        """For each entry from ``start`` on the manifest it publishes, after its length as four bytes; 0 for none.

        Fewer than asked for when they are large; whoever asked goes on after the last one.
        """
        with self.db.read() as session:
            limit = min(limit, _checkpoint(session, self.origin).size - start)
            if limit <= 0:
                return b""
            configs = session.exec(
                select(LogRow.config)
                .where(LogRow.origin == self.origin, LogRow.index >= start, LogRow.index < start + limit)
                .order_by(col(LogRow.index))
            ).all()
            bodies = _some(_bodies(session, configs))
        return b"".join(len(body).to_bytes(4, "big") + body for body in bodies)


def node_reader(session: Session, origin: str) -> HashReader:
    """Reads the stored hashes of a log's subtrees."""

    def read(nodes: Sequence[Node]) -> list[bytes]:
        if not nodes:
            return []
        rows = session.exec(
            select(HashRow).where(
                HashRow.origin == origin,
                tuple_(col(HashRow.level), col(HashRow.index)).in_([tuple(node) for node in nodes]),
            )
        )
        found = {Node(row.level, row.index): row.hash for row in rows}
        return [found[node] for node in nodes]

    return read


def _bodies(session: Session, configs: Sequence[str | None]) -> Iterator[bytes]:
    """The manifest behind each digest, empty where there is none; a few in memory at a time."""
    for start in range(0, len(configs), _GROUP):
        group = configs[start : start + _GROUP]
        known = catalog.manifests_of(session, [config for config in group if config])
        yield from (known.get(config or "", b"") for config in group)


def _some(parts: Iterable[bytes]) -> list[bytes]:
    """The first of ``parts``, at least one, until :data:`MAX_ANSWER_BYTES` are reached."""
    taken: list[bytes] = []
    size = 0
    for part in parts:
        taken.append(part)
        size += len(part)
        if size >= MAX_ANSWER_BYTES:
            break
    return taken


def _checkpoint(session: Session, origin: str) -> CheckpointRow:
    row = session.get(CheckpointRow, origin)
    if row is None:
        raise NotFound(what=f"checkpoint of {origin}")
    return row


def _leaves(session: Session, origin: str, start: int, limit: int) -> list[bytes]:
    return list(
        session.exec(
            select(LogRow.leaf)
            .where(LogRow.origin == origin, LogRow.index >= start, LogRow.index < start + limit)
            .order_by(col(LogRow.index))
        )
    )
