"""Wheels unpacked once into folders that components with the same wheels share, read-only.

A layer is named by the digests of its wheels, so a hundred components with one lock have one layer. It appears under
its name only when it is complete; a process killed half way leaves a ``.building`` folder that the next one removes.
"""

from __future__ import annotations

import compileall
import fcntl
import hashlib
import os
import py_compile
import secrets
import shutil
import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from installer import install
from installer.destinations import SchemeDictionaryDestination
from installer.sources import WheelFile

from capmart_core.package.wheels import DEFAULT_LIMITS, check_wheel


def layer_of(wheels: Sequence[Path], cache: Path, *, minor: int) -> Path | None:
    """The folder with ``wheels`` unpacked, made when it is not there; None for no wheels.

    Args:
        wheels: files, with their own names.
        cache: folder of all layers.
        minor: of the Python that will import it; byte code is compiled when this interpreter is the same.

    Raises:
        InvalidPackage: a wheel would do harm when it is unpacked.
    """
    if not wheels:
        return None
    key = hashlib.sha256("\n".join([str(minor), *sorted(_digest(wheel) for wheel in wheels)]).encode()).hexdigest()
    layers = cache / "layers"
    layers.mkdir(parents=True, exist_ok=True, mode=0o755)
    done = layers / key
    if done.is_dir():
        return done
    with (layers / f".{key}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for leftover in layers.glob(f".{key}.*.building"):
            shutil.rmtree(leftover, ignore_errors=True)
        if not done.is_dir():
            building = layers / f".{key}.{secrets.token_hex(4)}.building"
            _unpack(wheels, building, minor)
            building.rename(done)
    return done


def _unpack(wheels: Sequence[Path], folder: Path, minor: int) -> None:
    folder.mkdir()
    aside = folder.with_suffix(".aside")  # scripts and headers: nothing that a component imports
    scheme = {name: str(aside / name) for name in ("scripts", "headers", "data")}
    destination = SchemeDictionaryDestination(
        {"purelib": str(folder), "platlib": str(folder), **scheme},
        interpreter="/usr/local/bin/python3",
        script_kind="posix",
        overwrite_existing=True,
    )
    for path in wheels:
        check_wheel(path, DEFAULT_LIMITS)
        with WheelFile.open(path) as source:
            install(source, destination, additional_metadata={})
    shutil.rmtree(aside, ignore_errors=True)
    if minor == sys.version_info.minor:
        compileall.compile_dir(folder, quiet=2, invalidation_mode=_UNCHECKED, workers=1)
    for root, _, files in os.walk(folder):  # made under any umask, read by the container's user
        Path(root).chmod(0o755)
        for name in files:
            path = Path(root) / name
            path.chmod(0o555 if path.suffix == ".so" else 0o444)


_UNCHECKED = py_compile.PycInvalidationMode.UNCHECKED_HASH


def _digest(path: Path) -> str:
    facts = path.stat()
    return _digest_of(path, facts.st_ino, facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=4096)
def _digest_of(path: Path, _inode: int, _size: int, _mtime: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
