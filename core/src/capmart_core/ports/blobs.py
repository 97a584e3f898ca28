"""The port behind which content lies, by digest. Drivers live in the stevedore group ``capmart.blobs``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, ClassVar

from capmart_core.errors import BlobNotFound


class BlobStore(ABC):
    """Content-addressed bytes. Safe to use from several threads and processes.

    A write is complete and durable when its method returns, or it did not happen.
    """

    name: ClassVar[str]

    @abstractmethod
    def size(self, digest: str) -> int:
        """Size in bytes.

        Raises:
            BlobNotFound: it is not there.
        """

    @abstractmethod
    def open(self, digest: str, start: int = 0) -> BinaryIO:
        """A stream of the content from byte ``start`` on; the caller closes it.

        Raises:
            BlobNotFound: it is not there.
        """

    @abstractmethod
    def put(self, chunks: Iterable[bytes], digest: str, *, max_bytes: int) -> int:
        """Store content and return its size. Storing what is there already reads the chunks and changes nothing.

        Raises:
            DigestMismatch: the content has another digest; nothing is stored.
            TooLarge: it has more than ``max_bytes``; nothing is stored.
            StoreFull: no room.
        """

    @abstractmethod
    def delete(self, digest: str) -> None:
        """Remove it; removing what is not there is harmless."""

    @abstractmethod
    def __iter__(self) -> Iterator[str]:
        """Every digest, in no order."""

    def __contains__(self, digest: str) -> bool:
        try:
            self.size(digest)
        except BlobNotFound:
            return False
        return True

    def local_path(self, digest: str) -> Path | None:  # noqa: ARG002 - for drivers whose content is local files
        """The file that holds it, where content is local files; None elsewhere. Read only."""
        return None

    # Resumable uploads: bytes whose digest is known only at the end.

    @abstractmethod
    def start_upload(self) -> str:
        """Begin an upload and return its opaque id."""

    @abstractmethod
    def upload_size(self, upload: str) -> int:
        """Bytes received so far.

        Raises:
            NotFound: no such upload.
        """

    @abstractmethod
    def append_upload(self, upload: str, chunks: Iterable[bytes], *, offset: int, max_bytes: int) -> int:
        """Append at ``offset``, which must be the bytes received so far, and return the new size.

        Raises:
            StateConflict: ``offset`` is another; carries the size in ``needed``.
            TooLarge: the upload would have more than ``max_bytes``.
        """

    @abstractmethod
    def finish_upload(self, upload: str, digest: str) -> int:
        """Turn the upload into the blob ``digest`` and return its size.

        Raises:
            DigestMismatch: the content has another digest; the upload is dropped.
        """

    @abstractmethod
    def cancel_upload(self, upload: str) -> None:
        """Drop it; dropping what is not there is harmless."""
