"""Wheels unpacked once into folders that components with the same wheels share, read-only.

A layer is named by the digests of its wheels, so a hundred components with one lock have one layer. It appears under
its name only when it is complete; a process killed half way leaves a folder that the next one removes.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from capmart_core.errors import StoreFull
from capmart_core.package.wheels import WheelLimits
from capmart_sandbox.settings import SandboxSettings
from capmart_sandbox.unpack import unpack_wheel

_FORMAT = "1"
_COMPILE_S = 300
_SMALL_FILES, _SMALL_BYTES = 200, 4 * 1024 * 1024
# Compiles in a process of its own, within limits: source from outside may be made to exhaust a parser. It never runs.
_COMPILE = """
import compileall, py_compile, resource, sys
resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
compileall.compile_dir(
    sys.argv[1], quiet=2, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH, workers=int(sys.argv[2]),
    stripdir=sys.argv[1],
)
"""


def layer_of(wheels: Sequence[Path], settings: SandboxSettings, *, minor: int) -> Path | None:
    """The folder with ``wheels`` unpacked, made when it is not there; None for no wheels.

    Args:
        wheels: files, with their own names.
        settings: of the runner.
        minor: of the Python that will import it; byte code is made when this interpreter is the same.

    Raises:
        InvalidPackage: a wheel would do harm when it is unpacked.
        StoreFull: there is no room.
    """
    if not wheels:
        return None
    names = [_FORMAT, sys.version if minor == sys.version_info.minor else str(minor)]
    key = hashlib.sha256("\n".join([*names, *(_digest(wheel) for wheel in wheels)]).encode()).hexdigest()
    layers = settings.cache / "layers"
    done = layers / key[:40]
    if done.is_dir():
        return done
    try:
        layers.mkdir(parents=True, exist_ok=True)
        with _alone(layers / f".{key[:40]}.lock"):
            if not done.is_dir():
                for leftover in layers.glob(f".{key[:40]}.*.building"):
                    shutil.rmtree(leftover, ignore_errors=True)
                _make(wheels, done, settings, compiled=minor == sys.version_info.minor)
    except OSError as error:
        raise StoreFull(store=layers, reason=error) from error
    return done


def is_small(layer: Path) -> bool:
    """Whether a layer is so small that placing it file by file takes no time."""
    files = bytes_ = 0
    for folder, _, names in os.walk(layer):
        files += len(names)
        if files > _SMALL_FILES:
            return False
        bytes_ += sum((Path(folder) / name).stat().st_size for name in names)
    return bytes_ <= _SMALL_BYTES


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One process at a time makes a layer; the others wait for it and take it."""
    with lock.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    with suppress(FileNotFoundError):
        lock.unlink()


def _make(wheels: Sequence[Path], done: Path, settings: SandboxSettings, *, compiled: bool) -> None:
    building = done.parent / f".{done.name}.{secrets.token_hex(4)}.building"
    building.mkdir()
    try:
        limits = WheelLimits(unpacked_bytes=settings.unpacked_mib * 1024 * 1024)
        for wheel in wheels:
            unpack_wheel(wheel, building, limits)
        if compiled:
            _compile(building)
        for folder, _, files in os.walk(building):  # made under any umask, read by the container's user
            Path(folder).chmod(0o755)
            for name in files:
                (Path(folder) / name).chmod(0o644)
        building.rename(done)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise


def _compile(folder: Path) -> None:
    workers = min(4, os.cpu_count() or 1) if sum(1 for _ in folder.rglob("*.py")) > 100 else 1
    command = [sys.executable, "-I", "-S", "-c", _COMPILE, str(folder), str(workers)]
    with suppress(subprocess.TimeoutExpired):  # without byte code it only starts slower
        subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={"PATH": os.defpath},
            timeout=_COMPILE_S,
            check=False,
        )


def _digest(path: Path) -> str:
    facts = path.stat()
    return _digest_of(path.absolute(), facts.st_ino, facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=4096)
def _digest_of(path: Path, _inode: int, _size: int, _mtime: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
