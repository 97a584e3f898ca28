"""Small files written so that a reader sees the old content or the new, never half of it."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from capmart_core.errors import InvalidJson

MAX_SETTINGS_BYTES = 4 * 1024 * 1024


def write_atomic(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Replace ``path`` by ``data``, durably; a crash leaves the old content.

    Args:
        path: the file; its folder is made.
        data: the new content.
        mode: permissions of the file; ``0o600`` for what only its owner may read, its folder then closed as well.
    """
    private = not mode & 0o077
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700 if private else 0o755)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_json(path: Path, value: Any, *, mode: int = 0o644) -> None:
    """Write ``value`` for people and programs: indented, keys in order, one spelling for one value."""
    text = json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)
    write_atomic(path, f"{text}\n".encode(), mode=mode)


def read_json(path: Path) -> Any:
    """Read a file that :func:`write_json` wrote; None when there is none.

    Raises:
        InvalidJson: it is not JSON, or larger than any file of ours.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_SETTINGS_BYTES + 1)
    except FileNotFoundError:
        return None
    if len(data) > MAX_SETTINGS_BYTES:
        raise InvalidJson(what=str(path), reason=f"larger than {MAX_SETTINGS_BYTES} bytes")
    try:
        return json.loads(data)
    except ValueError as error:
        raise InvalidJson(what=str(path), reason=str(error)) from error
