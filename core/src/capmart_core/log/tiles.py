"""Tiles: how a log's hashes and entries are cut into immutable files (C2SP tlog-tiles).

A tile at level L, number N holds up to 256 hashes of nodes of level ``8 * L``, from node ``256 * N`` on. A bundle holds
the entries whose leaf hashes the level-0 tile of the same number and width has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Self

from capmart_core.errors import InvalidIdentifier, TooLarge
from capmart_core.log.merkle import HASH_BYTES, HashReader, Node, node_hash

HEIGHT = 8
WIDTH = 256
MAX_LEVEL = 7
MAX_ENTRY = 0xFFFF

_PATH = re.compile(
    r"tile/(?P<level>entries|0|[1-9]\d?)/(?P<n>(?:x\d{3}/){0,6}\d{3})(?:\.p/(?P<width>[1-9]\d{0,2}))?", re.ASCII
)


class Tile(NamedTuple):
    """A tile's coordinates; ``level`` is ``entries`` for a bundle of entries, ``width`` 256 for a full one."""

    level: int | Literal["entries"]
    number: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Its path below the log's prefix, such as ``tile/0/x001/234.p/17``."""
        parts = [f"{self.number % 1000:03d}"]
        rest = self.number // 1000
        while rest:
            parts.insert(0, f"x{rest % 1000:03d}")
            rest //= 1000
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{self.level}/{'/'.join(parts)}{partial}"

    @classmethod
    def parse(cls, path: str) -> Self:
        """Read a tile's path.

        Raises:
            InvalidIdentifier: it is not the path of a tile, or not its one spelling.
        """
        match = _PATH.fullmatch(path)
        if match is not None:
            level = match["level"]
            number = int(re.sub(r"[x/]", "", match["n"]))
            width = int(match["width"] or WIDTH)
            tile = cls("entries" if level == "entries" else int(level), number, width)
            if tile.path == path and (tile.level == "entries" or tile.level <= MAX_LEVEL):
                return tile
        raise InvalidIdentifier(
            what="tile", value=path[:200], expected="tile/LEVEL/NUMBER", example="tile/0/x001/234.p/17"
        )

    @property
    def full(self) -> Self:
        """The same tile, complete."""
        return self._replace(width=WIDTH)

    def nodes(self) -> list[Node]:
        """The nodes whose hashes the tile holds, in order."""
        level = 0 if self.level == "entries" else self.level * HEIGHT
        return [Node(level, self.number * WIDTH + offset) for offset in range(self.width)]


def tiles_of(size: int) -> Iterator[Tile]:
    """Every hash tile that a log of ``size`` entries has, full ones first within each level."""
    yield from new_tiles(0, size)


def new_tiles(old: int, new: int) -> Iterator[Tile]:
    """The hash tiles that a log of ``new`` entries has and one of ``old`` had not, or had narrower."""
    for level in range(MAX_LEVEL + 1):
        before, after = old >> (level * HEIGHT), new >> (level * HEIGHT)
        if after == 0:
            return
        if before == after:
            continue
        for number in range(before // WIDTH, after // WIDTH):
            yield Tile(level, number)
        if after % WIDTH:
            yield Tile(level, after // WIDTH, after % WIDTH)


def new_bundles(old: int, new: int) -> Iterator[Tile]:
    """The entry bundles that a log of ``new`` entries has and one of ``old`` had not, or had narrower."""
    for tile in new_tiles(old, new):
        if tile.level != 0:
            return
        yield tile._replace(level="entries")


def exists(tile: Tile, size: int) -> bool:
    """Whether a log of ``size`` entries can have the tile; a partial one also when it has grown since."""
    level = 0 if tile.level == "entries" else tile.level
    return 1 <= tile.width <= WIDTH and tile.number * WIDTH + tile.width <= size >> (level * HEIGHT)


def tile_bytes(tile: Tile, read: HashReader) -> bytes:
    """The content of a hash tile."""
    return b"".join(read(tile.nodes()))


def tile_of(node: Node, size: int) -> Tile:
    """The tile of a log of ``size`` entries from which the node's hash can be computed."""
    level, height = divmod(node.level, HEIGHT)
    first = node.number << height
    number = first // WIDTH
    available = (size >> (level * HEIGHT)) - number * WIDTH
    return Tile(level, number, min(WIDTH, available))


@dataclass(frozen=True)
class TileReader:
    """Reads the hashes of nodes out of a log's tiles; nothing is verified here: the caller compares with a signed root.

    Attributes:
        size: of the log, so that the right partial tiles are asked for.
        fetch: gives the content of a tile, exactly ``32 * width`` bytes.
    """

    size: int
    fetch: Callable[[Tile], bytes]

    def __call__(self, nodes: Sequence[Node], /) -> list[bytes]:
        """The hash of each node, each tile fetched once."""
        content: dict[Tile, bytes] = {}
        result: list[bytes] = []
        for node in nodes:
            tile = tile_of(node, self.size)
            if tile not in content:
                content[tile] = self.fetch(tile)
            result.append(_hash_in(tile, content[tile], node))
        return result


def _hash_in(tile: Tile, content: bytes, node: Node) -> bytes:
    height = node.level % HEIGHT
    first = (node.number << height) % WIDTH
    row = [
        content[place * HASH_BYTES : (place + 1) * HASH_BYTES]
        for place in range(first, min(first + (1 << height), WIDTH))
    ]
    if len(content) != tile.width * HASH_BYTES or len(row) != 1 << height or len(row[-1]) != HASH_BYTES:
        raise ValueError(f"{tile.path} does not have {node}")
    while len(row) > 1:
        row = [node_hash(row[place], row[place + 1]) for place in range(0, len(row), 2)]
    return row[0]


def pack_entries(entries: Iterable[bytes]) -> bytes:
    """An entry bundle: each entry after its length as two bytes, big-endian.

    Raises:
        TooLarge: an entry has more than 65,535 bytes.
    """
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > MAX_ENTRY:
            raise TooLarge(what="log entry", limit=MAX_ENTRY)
        parts += (len(entry).to_bytes(2, "big"), entry)
    return b"".join(parts)


class FrameParser:
    """Cuts a stream of length-prefixed frames into whole frames, however the stream is cut into chunks.

    Args:
        prefix: bytes of the big-endian length: 2 in entry bundles, 4 in streams of bodies.
        max_frame: the most bytes one frame may announce.
    """

    def __init__(self, prefix: int, max_frame: int) -> None:
        self._prefix = prefix
        self._max = max_frame
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The frames that ``chunk`` completes.

        Raises:
            TooLarge: a frame announces more than the most allowed.
        """
        self._rest += chunk
        while len(self._rest) >= self._prefix:
            length = int.from_bytes(self._rest[: self._prefix], "big")
            if length > self._max:
                raise TooLarge(what="frame", limit=self._max)
            end = self._prefix + length
            if len(self._rest) < end:
                return
            frame = bytes(self._rest[self._prefix : end])
            del self._rest[:end]
            yield frame

    @property
    def pending(self) -> int:
        """Bytes of a frame that is not complete yet."""
        return len(self._rest)


def unpack_entries(data: bytes) -> list[bytes]:
    """The entries of a bundle.

    Raises:
        ValueError: it ends inside an entry.
    """
    parser = FrameParser(2, MAX_ENTRY)
    entries = list(parser.feed(data))
    if parser.pending:
        raise ValueError("the bundle ends inside an entry")
    return entries
