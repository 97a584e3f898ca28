"""Wheels: which runtime they need, and whether they can be unpacked without harm."""

from __future__ import annotations

import re
import stat
import struct
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from capmart_core.errors import InvalidPackage
from capmart_core.identifiers import Runtime

_LEGACY = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}
_PLATFORM = re.compile(
    r"(?:manylinux_(?P<major>\d+)_(?P<minor>\d+)|(?P<legacy>manylinux(?:1|2010|2014)))_(?P<machine>\w+)"
)
_END = b"PK\x05\x06"
_END_BYTES = 22
_MAX_COMMENT = 65_535


@dataclass(frozen=True)
class WheelLimits:
    """The most that one wheel may hold.

    Attributes:
        entries: files and folders.
        unpacked_bytes: all files together.
        ratio: unpacked to packed size of one file, where the file is larger than ``ratio_from_bytes``.
        ratio_from_bytes: smaller files may be as compressible as they like.
        directory_bytes: the zip's own table of contents.
    """

    entries: int = 50_000
    unpacked_bytes: int = 4 << 30
    ratio: int = 200
    ratio_from_bytes: int = 16 << 20
    directory_bytes: int = 8 << 20


DEFAULT_LIMITS = WheelLimits()


@dataclass(frozen=True)
class WheelName:
    """What a wheel's file name says (PyPA binary distribution format)."""

    file: str
    project: str
    version: str
    tags: frozenset[Tag]

    @classmethod
    def parse(cls, file: str) -> WheelName:
        """Read a wheel's file name.

        Raises:
            InvalidPackage: it is none.
        """
        try:
            project, version, _, tags = parse_wheel_filename(file)
        except InvalidWheelFilename as error:
            raise InvalidPackage(file=file[:200], reason=str(error)[:300]) from error
        if "/" in file or "\\" in file or file.startswith("."):
            raise InvalidPackage(file=file[:200], reason="a wheel's file name has no folder in it")
        return cls(file, canonicalize_name(project), str(version), tags)

    @property
    def pure(self) -> bool:
        """Whether it runs on any platform."""
        return any(tag.platform == "any" for tag in self.tags)

    def fits(self, runtime: Runtime) -> bool:
        """Whether a base image that offers ``runtime`` can import it."""
        return not self.tags.isdisjoint(supported_tags(runtime))


@cache
def supported_tags(runtime: Runtime) -> frozenset[Tag]:
    """Every wheel tag that ``runtime`` can import (PEP 425, 600)."""
    platforms = list(platform_tags(runtime))
    version = (3, runtime.minor)
    return frozenset(
        (*cpython_tags(version, platforms=platforms), *compatible_tags(version, f"cp3{runtime.minor}", platforms))
        if platforms
        else compatible_tags(version, f"cp3{runtime.minor}", ["any"])
    )


def platform_tags(runtime: Runtime) -> Iterator[str]:
    """The platform tags that ``runtime`` can import, newest first; none for a pure one."""
    if runtime.platform == "any":
        return
    match = re.fullmatch(r"manylinux_(\d+)_(\d+)_(\w+)", runtime.platform)
    if match is None:
        yield runtime.platform
        return
    major, newest, machine = int(match[1]), int(match[2]), match[3]
    for minor in range(newest, 4, -1):
        yield f"manylinux_{major}_{minor}_{machine}"
        for legacy, (legacy_major, legacy_minor) in _LEGACY.items():
            if (major, minor) == (legacy_major, legacy_minor):
                yield f"{legacy}_{machine}"


def runtime_needed(wheels: Iterable[WheelName], minor: int) -> Runtime:
    """The least runtime of Python 3.``minor`` that can import all of ``wheels``.

    Raises:
        InvalidPackage: a wheel is for another platform than Linux by manylinux, or two are for different machines.
    """
    needed = Runtime(minor, "any")
    for wheel in wheels:
        if wheel.pure:
            continue
        found = [match for tag in wheel.tags if (match := _PLATFORM.fullmatch(tag.platform))]
        if not found:
            raise InvalidPackage(file=wheel.file, reason="its platform is neither 'any' nor a manylinux one")
        least = min(_glibc(match) for match in found)
        runtime = Runtime(minor, f"manylinux_{least[0]}_{least[1]}_{found[0]['machine']}")
        if runtime.runs_on(needed):
            continue
        if not needed.runs_on(runtime):
            raise InvalidPackage(file=wheel.file, reason=f"it is for another machine than {needed}")
        needed = runtime
    return needed


def _glibc(match: re.Match[str]) -> tuple[int, int]:
    return _LEGACY[match["legacy"]] if match["legacy"] else (int(match["major"]), int(match["minor"]))


def check_wheel(path: Path, limits: WheelLimits = DEFAULT_LIMITS) -> list[zipfile.ZipInfo]:
    """Look at a wheel's table of contents and refuse what must not be unpacked; nothing is unpacked here.

    Returns:
        its files, folders left out.

    Raises:
        InvalidPackage: too many entries, too large, too well packed, a link, a path that leads outside, a name twice.
    """
    with path.open("rb") as stream:
        _check_directory(stream, path.name, limits)
        try:
            with zipfile.ZipFile(stream) as archive:
                entries = archive.infolist()
        except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
            raise InvalidPackage(file=path.name, reason=f"it is no zip file: {error}") from error
    if len(entries) > limits.entries:
        raise InvalidPackage(file=path.name, reason=f"more than {limits.entries} entries")
    _check_names(entries, path.name)
    _check_sizes(entries, path.name, limits)
    return [entry for entry in entries if not entry.is_dir()]


def _check_directory(stream: BinaryIO, file: str, limits: WheelLimits) -> None:
    """Bound the table of contents before :mod:`zipfile` reads it into memory."""
    size = stream.seek(0, 2)
    stream.seek(max(0, size - _END_BYTES - _MAX_COMMENT))
    tail = stream.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < _END_BYTES:
        raise InvalidPackage(file=file, reason="it is no zip file")
    entries, directory_bytes = struct.unpack("<HI", tail[at + 10 : at + 16])
    if entries == 0xFFFF or entries > limits.entries:
        raise InvalidPackage(file=file, reason=f"more than {limits.entries} entries")
    if directory_bytes > limits.directory_bytes:
        raise InvalidPackage(file=file, reason=f"a table of contents of more than {limits.directory_bytes} bytes")
    stream.seek(0)


def _check_names(entries: list[zipfile.ZipInfo], file: str) -> None:
    seen: set[str] = set()
    for entry in entries:
        name = entry.filename
        # zipfile itself cuts names at a NUL and turns the platform's separator into a slash: look at what was written.
        parts = entry.orig_filename.rstrip("/").split("/")
        if "\\" in entry.orig_filename or any(character < " " for character in entry.orig_filename):
            raise InvalidPackage(file=file, reason=f"the name {entry.orig_filename[:100]!r} has forbidden characters")
        if not name or name.startswith("/") or any(part in {"", ".", ".."} for part in parts):
            raise InvalidPackage(file=file, reason=f"the path {name[:100]!r} leads outside")
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
            raise InvalidPackage(file=file, reason=f"{name[:100]!r} is a link or a device")
        if entry.flag_bits & 0x1:
            raise InvalidPackage(file=file, reason=f"{name[:100]!r} is encrypted")
        if name in seen:
            raise InvalidPackage(file=file, reason=f"{name[:100]!r} stands in it twice")
        seen.add(name)


def _check_sizes(entries: list[zipfile.ZipInfo], file: str, limits: WheelLimits) -> None:
    total = 0
    for entry in entries:
        total += entry.file_size
        if total > limits.unpacked_bytes:
            raise InvalidPackage(file=file, reason=f"it unpacks to more than {limits.unpacked_bytes} bytes")
        if entry.file_size > limits.ratio_from_bytes and entry.file_size > limits.ratio * entry.compress_size:
            raise InvalidPackage(file=file, reason=f"{entry.filename[:100]!r} unpacks to {limits.ratio} times its size")
