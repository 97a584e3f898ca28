"""Content in a folder, by digest: the reference driver ``folder`` of the blob port.

::

    ROOT/sha256/ab/abcdef…   content, read-only files named by their digest
    ROOT/uploads/ID          uploads under way
    ROOT/incoming/…          writes under way; nothing reads here

A file appears under its digest by a rename, after its bytes are on disk, so a killed process leaves only files that
nobody reads. Those are removed by :meth:`FolderBlobs.sweep`.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from typing_extensions import override

from capmart_core.errors import BlobNotFound, DigestMismatch, NotFound, StateConflict, StoreFull, TooLarge
from capmart_core.identifiers import check_digest
from capmart_core.ports.blobs import BlobStore

_UPLOAD_ID = re.compile(r"[0-9a-f]{32}")
_READ_BYTES = 1 << 20
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class FolderBlobs(BlobStore):
    """A blob store in a folder.

    Args:
        root: the folder; made when it does not exist.
    """

    name = "folder"

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self._content = self.root / "sha256"
        self._uploads = self.root / "uploads"
        self._incoming = self.root / "incoming"
        for folder in (self._content, self._uploads, self._incoming):
            folder.mkdir(parents=True, exist_ok=True)

    @override
    def size(self, digest: str) -> int:
        try:
            return self._path(digest).stat().st_size
        except FileNotFoundError as error:
            raise BlobNotFound(digest=digest, store=self.root) from error

    @override
    def open(self, digest: str, start: int = 0) -> BinaryIO:
        try:
            stream = self._path(digest).open("rb")
        except FileNotFoundError as error:
            raise BlobNotFound(digest=digest, store=self.root) from error
        stream.seek(start)
        return stream

    @override
    def put(self, chunks: Iterable[bytes], digest: str, *, max_bytes: int) -> int:
        target = self._path(digest)
        if target.exists():
            return _measure(chunks, digest, max_bytes)
        incoming = self._incoming / secrets.token_hex(16)
        try:
            with self._room(), incoming.open("xb") as file:
                size = _copy(_bounded(chunks, digest, max_bytes), file, digest)
            self._adopt(incoming, target)
        finally:
            incoming.unlink(missing_ok=True)
        return size

    @override
    def delete(self, digest: str) -> None:
        self._path(digest).unlink(missing_ok=True)

    def __iter__(self) -> Iterator[str]:
        for shelf in sorted(self._content.iterdir()):
            for file in shelf.iterdir():
                yield f"sha256:{file.name}"

    @override
    def local_path(self, digest: str) -> Path | None:
        path = self._path(digest)
        return path if path.exists() else None

    @override
    def start_upload(self) -> str:
        upload = secrets.token_hex(16)
        with self._room():
            (self._uploads / upload).touch(exist_ok=False)
        return upload

    @override
    def upload_size(self, upload: str) -> int:
        return self._upload(upload).stat().st_size

    @override
    def append_upload(self, upload: str, chunks: Iterable[bytes], *, offset: int, max_bytes: int) -> int:
        with self._locked(upload) as file:
            size = file.seek(0, io.SEEK_END)
            if size != offset:
                raise StateConflict(what=f"upload {upload}", state=size, action="append", needed=size)
            with self._room():
                for chunk in _bounded(chunks, f"upload {upload}", max_bytes - size):
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            return file.tell()

    @override
    def finish_upload(self, upload: str, digest: str) -> int:
        target = self._path(digest)
        with self._locked(upload) as file:
            path = self._uploads / upload
            hasher = hashlib.sha256()
            for chunk in read_chunks(file):
                hasher.update(chunk)
            actual = hasher.hexdigest()
            if actual != target.name:
                path.unlink(missing_ok=True)
                raise DigestMismatch(what=f"upload {upload}", expected=digest, actual=f"sha256:{actual}")
            size = file.tell()
            self._adopt(path, target)
        return size

    @override
    def cancel_upload(self, upload: str) -> None:
        if _UPLOAD_ID.fullmatch(upload):
            (self._uploads / upload).unlink(missing_ok=True)

    def sweep(self, *, older_than_s: float = 86_400.0) -> int:
        """Remove writes and uploads that have not moved for ``older_than_s`` seconds; return how many there were."""
        limit = time.time() - older_than_s
        removed = 0
        for folder in (self._incoming, self._uploads):
            for file in folder.iterdir():
                if file.stat().st_mtime < limit:
                    file.unlink(missing_ok=True)
                    removed += 1
        return removed

    def _path(self, digest: str) -> Path:
        name = check_digest(digest).removeprefix("sha256:")
        return self._content / name[:2] / name

    def _upload(self, upload: str) -> Path:
        path = self._uploads / upload
        if _UPLOAD_ID.fullmatch(upload) is None or not path.exists():
            raise NotFound(what=f"upload {upload[:64]}")
        return path

    @contextmanager
    def _locked(self, upload: str) -> Iterator[BinaryIO]:
        """The upload's file, held against other threads and processes."""
        path = self._upload(upload)
        try:
            file = path.open("r+b")
        except FileNotFoundError as error:
            raise NotFound(what=f"upload {upload}") from error
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not path.exists():  # finished or cancelled while this waited
                raise NotFound(what=f"upload {upload}")
            yield file

    @contextmanager
    def _room(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in _FULL:
                raise StoreFull(store=self.root, reason=error.strerror or str(error)) from error
            raise

    def _adopt(self, file: Path, target: Path) -> None:
        with self._room():
            file.chmod(0o444)
            target.parent.mkdir(exist_ok=True)
            file.replace(target)
            _sync_folder(target.parent)
            _sync_folder(self._content)


def _bounded(chunks: Iterable[bytes], what: str, max_bytes: int) -> Iterator[bytes]:
    left = max_bytes
    for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            raise TooLarge(what=what, limit=max_bytes)
        yield chunk


def _copy(chunks: Iterable[bytes], file: BinaryIO, digest: str) -> int:
    size = 0
    hasher = hashlib.sha256()
    for chunk in chunks:
        hasher.update(chunk)
        size += file.write(chunk)
    _check(hasher.hexdigest(), digest)
    file.flush()
    os.fsync(file.fileno())
    return size


def _measure(chunks: Iterable[bytes], digest: str, max_bytes: int) -> int:
    size = 0
    hasher = hashlib.sha256()
    for chunk in _bounded(chunks, digest, max_bytes):
        hasher.update(chunk)
        size += len(chunk)
    _check(hasher.hexdigest(), digest)
    return size


def _check(actual: str, digest: str) -> None:
    if f"sha256:{actual}" != digest:
        raise DigestMismatch(what="blob", expected=digest, actual=f"sha256:{actual}")


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_chunks(stream: BinaryIO, size: int = _READ_BYTES) -> Iterator[bytes]:
    """The stream's bytes in pieces of at most ``size``."""
    while chunk := stream.read(size):
        yield chunk
