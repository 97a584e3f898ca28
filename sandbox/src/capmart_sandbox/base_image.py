"""The base image: pulled where a reference is set, otherwise made from this machine's own Python.

The image holds the interpreter, its standard library, the shared libraries that both link to and those that manylinux
wheels may expect (PEP 600), the guest, capmart-component, and, apart from them, the pydantic that makes schemas.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import logging
import platform
import py_compile
import re
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from docker import APIClient
from docker.errors import APIError, DockerException, ImageNotFound

from capmart_core.errors import BaseImageUnavailable, EngineUnavailable
from capmart_core.identifiers import Runtime
from capmart_sandbox.settings import SandboxSettings, guest_folder

RUNTIME_LABEL = "dev.capmart.runtime"
GUEST_PATHS = "/opt/capmart/lib"
DESCRIBE_PATH = "/opt/capmart/describe"
PYTHON = "/usr/local/bin/python3"

_log = logging.getLogger("capmart.sandbox")
_FORMAT = "2"
_DESCRIBE = ("pydantic", "pydantic_core", "annotated_types", "typing_inspection", "typing_extensions")
_LEFT_OUT = {
    "site-packages",
    "dist-packages",
    "test",
    "tests",
    "idlelib",
    "tkinter",
    "turtledemo",
    "ensurepip",
    "lib2to3",
}
# Libraries that a manylinux wheel may link to without carrying them.
_EXPECTED = ("libstdc++.so.6", "libgcc_s.so.1", "libm.so.6", "libz.so.1", "librt.so.1", "libdl.so.2", "libutil.so.1",
             "libpthread.so.0", "libresolv.so.2")  # fmt: skip


def runtime_here() -> Runtime:
    """The runtime that an image made from this machine's Python gives."""
    name, version = platform.libc_ver()
    libc = version.replace(".", "_") if name == "glibc" else "2_17"
    return Runtime(sys.version_info.minor, f"manylinux_{libc}_{platform.machine()}")


def ensure_base_image(client: APIClient, settings: SandboxSettings) -> tuple[str, Runtime]:
    """Reference and runtime of a base image that this engine has, pulling or making it when it is missing.

    Raises:
        BaseImageUnavailable: it can neither be pulled nor made, or it does not say its runtime.
        EngineUnavailable: the engine stopped answering.
    """
    reference = settings.base_image or f"capmart/base:{_key()}"
    try:
        found = _inspect(client, reference)
        if found is None:
            lock_path = (
                Path(tempfile.gettempdir()) / f"capmart-base-{hashlib.sha256(reference.encode()).hexdigest()[:16]}"
            )
            with lock_path.open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                found = _inspect(client, reference)
                if found is None:
                    _pull(client, reference) if settings.base_image else _make(client, reference)
                    found = _inspect(client, reference)
    except BaseImageUnavailable:
        raise
    except DockerException as error:
        raise EngineUnavailable(reason=error) from error
    label = (found or {}).get(RUNTIME_LABEL)
    if not label:
        raise BaseImageUnavailable(image=reference, reason=f"it has no label {RUNTIME_LABEL}")
    return reference, Runtime.parse(label)


def _inspect(client: APIClient, reference: str) -> dict[str, str] | None:
    try:
        labels: dict[str, str] | None = client.inspect_image(reference)["Config"]["Labels"]  # type: ignore[no-untyped-call]
    except ImageNotFound:
        return None
    return labels or {}


def _pull(client: APIClient, reference: str) -> None:
    try:
        client.pull(reference)
    except APIError as error:
        raise BaseImageUnavailable(image=reference, reason=error.explanation) from error


def _make(client: APIClient, reference: str) -> None:
    _log.info("building the base image %s from %s", reference, sys.executable)
    try:
        with tempfile.NamedTemporaryFile() as archive:
            with tarfile.open(fileobj=archive, mode="w") as tar:
                for name, source in _contents():
                    _add(tar, name, source)
                for name, source in _guest_files():
                    _add_bytes(tar, *_compiled(name, source))
                _add_bytes(tar, "etc/passwd", b"nobody:x:65534:65534:nobody:/tmp:/bin/false\n")
                _add_bytes(tar, "etc/group", b"nogroup:x:65534:\n")
                for folder in ("tmp", "run/capmart", "capmart", "proc", "sys", "dev"):
                    entry = tarfile.TarInfo(folder)
                    entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                    tar.addfile(entry)
            archive.flush()
            client.import_image_from_file(
                archive.name,
                repository=reference.rpartition(":")[0],
                tag=reference.rpartition(":")[2],
                changes=[
                    f'LABEL {RUNTIME_LABEL}="{runtime_here()}"',
                    f"ENV PYTHONHOME=/usr/local PYTHONPATH={GUEST_PATHS} LANG=C.UTF-8",
                    "USER 65534:65534",
                    "WORKDIR /tmp",
                ],
            )
    except (OSError, subprocess.CalledProcessError) as error:
        raise BaseImageUnavailable(image=reference, reason=error) from error


def _key() -> str:
    seen = hashlib.sha256(f"{_FORMAT}\n{sys.version}\n{runtime_here()}\n".encode())
    for name, path in sorted(_guest_files()):
        seen.update(f"{name}\n".encode() + path.read_bytes())
    for name in _DESCRIBE:
        root = _module(name)
        version = root / "version.py" if root.is_dir() else root
        seen.update(name.encode() + (version.read_bytes() if version.exists() else b""))
    return seen.hexdigest()[:16]


def _contents() -> Iterator[tuple[str, Path]]:
    version = f"python3.{sys.version_info.minor}"
    binary = Path(sys.executable).resolve()
    yield "usr/local/bin/python3", binary
    stdlib = Path(sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix, "base": sys.base_prefix}))
    linked = [binary]
    for path in sorted(stdlib.rglob("*")):
        parts = path.relative_to(stdlib).parts
        if _LEFT_OUT & set(parts) or parts[0].startswith("config-") or not path.is_file() or path.suffix == ".a":
            continue
        if path.name.endswith(".pyc") and (
            ".opt-" in path.name or f"cpython-3{sys.version_info.minor}" not in path.name
        ):
            continue
        yield f"usr/local/lib/{version}/{'/'.join(parts)}", path
        if path.suffix == ".so":
            linked.append(path)
    for name in _DESCRIBE:
        root = _module(name)
        for path in sorted(root.rglob("*")) if root.is_dir() else [root]:
            if path.is_file() and "__pycache__" not in path.parts:
                yield f"{DESCRIBE_PATH[1:]}/{path.relative_to(root.parent)}", path
                if path.suffix == ".so":
                    linked.append(path)
    yield from ((f"{GUEST_PATHS[1:]}/{name}", path) for name, path in _guest_files())
    yield from _libraries(linked)


def _guest_files() -> Iterator[tuple[str, Path]]:
    for name, root in (("capmart_guest", guest_folder()), ("capmart_component", _module("capmart_component"))):
        for path in root.rglob("*.py"):
            yield f"{name}/{path.relative_to(root)}", path


def _compiled(name: str, source: Path) -> tuple[str, bytes]:
    """The byte code of a guest module and where it goes: the root is read-only, so nothing is compiled in there."""
    with tempfile.TemporaryDirectory() as folder:
        made = py_compile.compile(
            str(source),
            cfile=str(Path(folder) / "made.pyc"),
            dfile=f"{GUEST_PATHS}/{name}",
            doraise=True,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
        data = Path(made or "").read_bytes()
    where = Path(GUEST_PATHS[1:]) / name
    return f"{where.parent}/__pycache__/{where.stem}.{sys.implementation.cache_tag}.pyc", data


def _module(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise BaseImageUnavailable(image="capmart/base", reason=f"this Python has no {name}")
    origin = Path(spec.origin)
    return origin.parent if origin.name == "__init__.py" else origin


def _libraries(linked: list[Path]) -> Iterator[tuple[str, Path]]:
    """Every shared library that ``linked`` need, under the path at which they look for it."""
    found: dict[str, Path] = {}
    for path in linked:
        output = subprocess.run(["ldd", str(path)], capture_output=True, text=True, check=False).stdout
        for match in re.finditer(r"(?:=> )?(/\S+) \(0x", output):
            found[match[1].lstrip("/")] = Path(match[1]).resolve()
    known = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=False).stdout
    for name in _EXPECTED:
        line = re.search(rf"^\s*{re.escape(name)} \(libc6,(?:x86-64|AArch64).* => (\S+)$", known, re.MULTILINE)
        if line is not None:
            found.setdefault(line[1].lstrip("/"), Path(line[1]).resolve())
    yield from sorted(found.items())


def _add(tar: tarfile.TarFile, name: str, source: Path) -> None:
    entry = tar.gettarinfo(source, name)
    entry.type = tarfile.REGTYPE
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o755 if source.stat().st_mode & 0o111 else 0o644
    with source.open("rb") as file:
        entry.size = source.stat().st_size
        tar.addfile(entry, file)


def _add_bytes(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), 0o644
    tar.addfile(entry, io.BytesIO(data))
