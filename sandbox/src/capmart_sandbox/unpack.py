"""Unpacking a wheel as it would stand on ``sys.path``: nothing outside its folder, nothing executed, all bounded."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

from capmart_core.errors import InvalidPackage
from capmart_core.package.wheels import WheelLimits, check_wheel

_CHUNK = 1 << 20


def unpack_wheel(wheel: Path, folder: Path, limits: WheelLimits) -> None:
    """Unpack ``wheel`` into ``folder``; scripts, headers and other data that cannot be imported are left out.

    A file that exists is kept, so that of two wheels that claim one name the first named wins, always.

    Raises:
        InvalidPackage: its table of contents has what must not be unpacked, or it is damaged.
        OSError: it cannot be written.
    """
    entries = check_wheel(wheel, limits)
    with zipfile.ZipFile(wheel) as archive:
        for entry in entries:
            name = _import_path(entry.filename)
            if name is not None and not (target := folder / name).exists():
                _write(archive, entry, target, wheel.name)


def _import_path(name: str) -> str | None:
    """Where a file goes: ``X.data/purelib/a.py`` is ``a.py`` (binary distribution format, "The .data directory")."""
    first, _, rest = name.partition("/")
    if not first.endswith(".data"):
        return name
    scheme, _, inner = rest.partition("/")
    return inner if scheme in {"purelib", "platlib"} and inner else None


def _write(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, wheel: str) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise InvalidPackage(file=wheel, reason=f"{entry.filename[:100]!r} is below a file") from error
    left = entry.file_size
    with target.open("xb") as out:
        try:
            with archive.open(entry) as source:
                while part := source.read(_CHUNK):
                    left -= len(part)
                    if left < 0:
                        raise InvalidPackage(file=wheel, reason=f"{entry.filename[:100]!r} is larger than it says")
                    out.write(part)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
            raise InvalidPackage(file=wheel, reason=f"{entry.filename[:100]!r} is damaged: {error}") from error
