"""Plain tar, and nothing of tar that could lead outside or be larger than it says.

A package is a ustar file of regular files (and, from other tools, folders). Everything else that tar knows, links,
devices, sparse files, long-name and PAX headers, is refused before a byte of it is used, so reading needs no more
memory than one block, and no file of the package decides where anything is written.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from typing_extensions import override

from capmart_core.errors import InvalidPackage, TooLarge

_BLOCK = 512
_RECORD = 20 * _BLOCK
_FILES = frozenset({tarfile.REGTYPE, tarfile.AREGTYPE})


@dataclass(frozen=True)
class Member:
    """A file in a tar: where its bytes lie."""

    name: str
    offset: int
    size: int


def read_members(path: Path, *, max_entries: int, max_bytes: int) -> dict[str, Member]:
    """The files in a tar, by name.

    Raises:
        InvalidPackage: it is malformed, over-long, or holds what a package never does.
        TooLarge: it is larger than ``max_bytes``.
    """
    total = path.stat().st_size
    if total > max_bytes:
        raise TooLarge(what=str(path), limit=max_bytes)
    members: dict[str, Member] = {}
    with path.open("rb") as stream:
        for count, info in enumerate(_headers(stream, path)):
            if count >= max_entries:
                raise InvalidPackage(file=path, reason=f"more than {max_entries} entries")
            name = _checked_name(info, path)
            offset = stream.tell()
            padded = -(-info.size // _BLOCK) * _BLOCK
            if offset + padded > total:
                raise InvalidPackage(file=path, reason=f"it ends in the middle of {name}")
            stream.seek(offset + padded)
            if info.type == tarfile.DIRTYPE:
                continue
            if name in members:
                raise InvalidPackage(file=path, reason=f"{name} stands in it twice")
            members[name] = Member(name, offset, info.size)
    return members


def _headers(stream: BinaryIO, path: Path) -> Iterator[tarfile.TarInfo]:
    while True:
        block = stream.read(_BLOCK)
        if len(block) < _BLOCK:
            raise InvalidPackage(file=path, reason="it ends without an end mark: it was cut off or is no tar file")
        if not any(block):
            rest = stream.read(_RECORD + _BLOCK)
            if len(rest) < _BLOCK or len(rest) > _RECORD or any(rest):
                raise InvalidPackage(file=path, reason="its end mark is malformed or something follows it")
            return
        try:
            yield tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        except (tarfile.HeaderError, UnicodeDecodeError, ValueError) as error:
            raise InvalidPackage(file=path, reason=f"it is no tar file: {error}") from error


def _checked_name(info: tarfile.TarInfo, path: Path) -> str:
    name = info.name.removeprefix("./")
    if info.type not in _FILES | {tarfile.DIRTYPE}:
        kind = "a link" if info.type in {tarfile.SYMTYPE, tarfile.LNKTYPE} else f"of type {info.type!r}"
        raise InvalidPackage(file=path, reason=f"{name[:200]!r} is {kind}; only plain files belong in a package")
    if info.type == tarfile.DIRTYPE:
        name = name.rstrip("/")
        if name in {"", "."} and info.size == 0:
            return name
    if name.startswith("/") or "\\" in name or any(part in {"", ".", ".."} for part in name.split("/")):
        raise InvalidPackage(file=path, reason=f"the path {name[:200]!r} leads outside")
    if info.size < 0 or (info.type == tarfile.DIRTYPE and info.size):
        raise InvalidPackage(file=path, reason=f"{name[:200]!r} has an impossible size")
    return name


def write_members(stream: BinaryIO, members: Iterable[tuple[str, int, Iterable[bytes]]]) -> None:
    """Write files (name, size, content) as a tar whose bytes depend on nothing else.

    Raises:
        InvalidPackage: a content is not as long as said.
    """
    for name, size, chunks in members:
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = size, 0o644, 0
        stream.write(info.tobuf(tarfile.USTAR_FORMAT, "utf-8", "strict"))
        written = sum(map(stream.write, chunks))
        if written != size:
            raise InvalidPackage(file=name, reason=f"it changed while it was packed: {written} bytes, not {size}")
        stream.write(b"\0" * (-size % _BLOCK))
    stream.write(b"\0" * (2 * _BLOCK))


class Slice(io.RawIOBase):
    """The bytes of one member, read only; other slices of the same tar are independent of it."""

    def __init__(self, path: Path, member: Member, start: int = 0) -> None:
        super().__init__()
        self._stream = path.open("rb")
        self._stream.seek(member.offset + min(start, member.size))
        self._left = max(0, member.size - start)

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        view = memoryview(buffer)[: self._left]
        count = self._stream.readinto(view)
        self._left -= count
        return count

    @override
    def close(self) -> None:
        self._stream.close()
        super().close()
