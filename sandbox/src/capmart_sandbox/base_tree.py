"""What goes into a base image that is made here: this machine's Python, what it links to, the guest, the SDK, pydantic.

The interpreter is moved to ``/opt/python``, wherever it was installed (its own prefix, Debian's ``/usr``, a virtual
environment): Python finds its library from its own place, and every shared library goes into a folder in which the
loader looks by default.
"""

from __future__ import annotations

import hashlib
import io
import os
import platform
import py_compile
import re
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

from capmart_core.errors import BaseImageUnavailable
from capmart_core.identifiers import Runtime

PYTHON = "/opt/python/bin/python3"
LIBRARY = "/opt/capmart/lib"
DESCRIBE = "/opt/capmart/describe"
DESCRIBE_MODULES = ("pydantic", "pydantic_core", "annotated_types", "typing_inspection", "typing_extensions")

_FORMAT = "3"
_VERSION = f"python3.{sys.version_info.minor}"
_LEFT_OUT = frozenset(
    {"site-packages", "dist-packages", "test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3"}
)
# Libraries that a manylinux wheel may link to without carrying them (PEP 513, 571, 599, 600).
_EXPECTED = (
    *("libc.so.6", "libm.so.6", "libdl.so.2", "librt.so.1", "libpthread.so.0", "libutil.so.1", "libresolv.so.2"),
    *("libstdc++.so.6", "libgcc_s.so.1", "libz.so.1", "libexpat.so.1"),
)
_ZONES = Path("/usr/share/zoneinfo")
_ZONES_LEFT_OUT = frozenset({"posix", "right"})
_FOLDERS = ("tmp", "capmart/io", "capmart/own", "capmart/lock", "capmart/files", "proc", "sys", "dev", "etc")


@cache
def runtime_here() -> Runtime:
    """The runtime that an image made from this machine's Python gives.

    Raises:
        BaseImageUnavailable: the C library is not glibc, so no manylinux wheel runs on it.
    """
    name, version = platform.libc_ver()
    if name != "glibc":
        raise BaseImageUnavailable(image="capmart/base", reason=f"this machine's C library is {name or 'unknown'}")
    return Runtime(sys.version_info.minor, f"manylinux_{version.replace('.', '_')}_{platform.machine()}")


@cache
def tree_key() -> str:
    """Names the content of the image: the interpreter, the guest, the SDK and pydantic."""
    seen = hashlib.sha256(f"{_FORMAT}\n{sys.version}\n{sys.base_prefix}\n{runtime_here()}\n".encode())
    for name, path in guest_files():
        seen.update(f"{name}\n".encode() + path.read_bytes())
    for name in DESCRIBE_MODULES:
        root = module_path(name)
        version = root / "version.py" if root.is_dir() else root
        seen.update(name.encode() + (version.read_bytes() if version.exists() else b""))
    return seen.hexdigest()[:20]


def module_path(name: str) -> Path:
    """Where an installed package's folder, or a module's file, is.

    Raises:
        BaseImageUnavailable: it is not installed.
    """
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise BaseImageUnavailable(image="capmart/base", reason=f"this Python has no {name}")
    origin = Path(spec.origin)
    return origin.parent if origin.name == "__init__.py" else origin


def guest_files() -> list[tuple[str, Path]]:
    """The sources that run in every box, by their path below :data:`LIBRARY`."""
    found = []
    for name, root in (
        ("capmart_guest", Path(__file__).parent / "guest"),
        ("capmart_component", module_path("capmart_component")),
    ):
        found += [(f"{name}/{path.relative_to(root).as_posix()}", path) for path in root.rglob("*.py")]
    return sorted(found)


def write_tree(archive: tarfile.TarFile) -> None:
    """Write the whole file system of the image.

    Raises:
        BaseImageUnavailable: the interpreter's parts cannot be found.
    """
    for name in _FOLDERS:
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
        archive.addfile(entry)
    _add_bytes(archive, "etc/passwd", b"nobody:x:65534:65534:nobody:/tmp:/bin/false\n")
    _add_bytes(archive, "etc/group", b"nogroup:x:65534:\n")
    linked = []
    for name, path in (*_interpreter(), *_describe_files()):
        _add_file(archive, name, path)
        if path.suffix == ".so" or name == PYTHON[1:]:
            linked.append(path)
    for name, path in _libraries(linked).items():
        _add_file(archive, name.lstrip("/"), path)
    for name, path in guest_files():
        _add_file(archive, f"{LIBRARY[1:]}/{name}", path)
        _add_bytes(archive, *_compiled(name, path))
    for name, path in _zones():
        _add_file(archive, name, path)


def _interpreter() -> Iterator[tuple[str, Path]]:
    binary = Path(os.path.realpath(sys.executable))
    yield PYTHON[1:], binary
    base = {"installed_base": sys.base_prefix, "base": sys.base_prefix, "platbase": sys.base_prefix}
    roots = {Path(sysconfig.get_path(kind, vars=base)) for kind in ("stdlib", "platstdlib")}
    seen = set()
    for root in sorted(roots):
        target = f"opt/python/{sys.platlibdir}/{_VERSION}"
        for path in _walk(root):
            inner = path.relative_to(root)
            if inner in seen or _LEFT_OUT & set(inner.parts) or inner.parts[0].startswith("config-"):
                continue
            if path.suffix == ".a" or (
                path.suffix == ".pyc" and not path.name.endswith(f"{sys.implementation.cache_tag}.pyc")
            ):
                continue
            seen.add(inner)
            yield f"{target}/{inner.as_posix()}", path
    if PurePosixPath("os.py") not in {PurePosixPath(inner.as_posix()) for inner in seen}:
        raise BaseImageUnavailable(image="capmart/base", reason=f"no standard library in {sorted(map(str, roots))}")


def _walk(root: Path) -> Iterator[Path]:
    for folder, names, files in os.walk(root):
        names[:] = sorted(name for name in names if name not in _LEFT_OUT)
        yield from (Path(folder) / name for name in sorted(files))


def _describe_files() -> Iterator[tuple[str, Path]]:
    for name in DESCRIBE_MODULES:
        root = module_path(name)
        files: Iterable[Path] = _walk(root) if root.is_dir() else [root]
        for path in files:
            if path.suffix != ".pyc":
                yield f"{DESCRIBE[1:]}/{path.relative_to(root.parent).as_posix()}", path


def _zones() -> Iterator[tuple[str, Path]]:
    if not _ZONES.is_dir():
        return
    for folder, names, files in os.walk(_ZONES):
        names[:] = sorted(name for name in names if name not in _ZONES_LEFT_OUT)
        yield from ((str(Path(folder) / name).lstrip("/"), Path(folder) / name) for name in sorted(files))


def _libraries(linked: list[Path]) -> dict[str, Path]:
    """Every shared library that is needed, by the path at which the loader finds it."""
    found: dict[str, Path] = {}
    for path in linked:
        output = subprocess.run(["ldd", str(path)], capture_output=True, text=True, check=False).stdout
        for name, where in re.findall(r"^\s*(\S+) => (/\S+) \(0x", output, re.MULTILINE):
            found.setdefault(name, Path(where))
        for loader in re.findall(r"^\s*(/\S*ld-linux\S*) \(0x", output, re.MULTILINE):
            found.setdefault(loader, Path(loader))
    if "libc.so.6" not in found:
        raise BaseImageUnavailable(image="capmart/base", reason="ldd does not say which C library Python links to")
    system = found["libc.so.6"].parent
    for name in _EXPECTED:
        if (system / name).exists():
            found.setdefault(name, system / name)
        elif (other := Path("/usr") / str(system).lstrip("/") / name).exists():
            found.setdefault(name, other)
    return {name if name.startswith("/") else f"{system}/{name}": path for name, path in sorted(found.items())}


def _compiled(name: str, source: Path) -> tuple[str, bytes]:
    """The byte code of a guest module and where it goes: the root is read-only, so nothing is compiled in there."""
    where = PurePosixPath(LIBRARY) / name
    with tempfile.TemporaryDirectory() as folder:
        made = py_compile.compile(
            str(source),
            cfile=str(Path(folder) / "made.pyc"),
            dfile=str(where),
            doraise=True,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
        data = Path(made or "").read_bytes()
    return f"{str(where.parent).lstrip('/')}/__pycache__/{where.stem}.{sys.implementation.cache_tag}.pyc", data


def _add_file(archive: tarfile.TarFile, name: str, source: Path) -> None:
    with source.open("rb") as file:
        facts = os.fstat(file.fileno())
        entry = tarfile.TarInfo(name)
        entry.size, entry.mtime = facts.st_size, int(facts.st_mtime)  # the time is what byte code is checked against
        entry.mode = 0o755 if facts.st_mode & 0o111 else 0o644
        archive.addfile(entry, file)


def _add_bytes(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), 0o644
    archive.addfile(entry, io.BytesIO(data))
