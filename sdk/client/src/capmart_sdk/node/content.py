"""A package's content, fetched by digest into the node's store; nothing is kept that is not what its digest says."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed

from capmart_core.blobs.folder import FolderBlobs
from capmart_core.errors import DigestMismatch, TooLarge
from capmart_core.identifiers import ComponentId
from capmart_core.package import (
    MAX_DOCUMENT_BYTES,
    Descriptor,
    PackageLayout,
    RuntimeLayout,
    describe_layout,
    media_types,
)
from capmart_sdk.client import CenterClient

CONCURRENCY = 4
_CHUNK = 1 << 20


class Content:
    """Fetches from one center into one store.

    Args:
        client: of the center; not trusted.
        blobs: the node's store.
        on_bytes: told of bytes as they arrive.
    """

    def __init__(self, client: CenterClient, blobs: FolderBlobs, on_bytes: Callable[[int], None] | None = None) -> None:
        self._client = client
        self._blobs = blobs
        self.on_bytes = on_bytes

    def document(self, component: ComponentId, digest: str) -> bytes:
        """A small blob, such as a manifest of ours, whole.

        Raises:
            DigestMismatch: what came is something else.
        """
        if digest not in self._blobs:
            chunks = self._client.repository(component).blob(digest)
            self._blobs.put(chunks, digest, max_bytes=MAX_DOCUMENT_BYTES)
        with self._blobs.open(digest) as stream:
            return stream.read(MAX_DOCUMENT_BYTES)

    def layout(self, component: ComponentId, digest: str) -> PackageLayout:
        """What the package with this digest holds.

        Raises:
            DigestMismatch: index, a manifest or the config is not what its digest says.
            InvalidPackage: it is malformed.
        """
        repository = self._client.repository(component)
        index = repository.manifest(digest)

        def fetch(entry: Descriptor) -> bytes:
            if entry.media_type in media_types.IMAGE_MANIFESTS:
                return repository.manifest(entry.digest)
            return self.document(component, entry.digest)

        return describe_layout(index, fetch, what=str(component))

    def fetch(self, component: ComponentId, wanted: Iterable[Descriptor]) -> None:
        """Fetch what the store lacks, a few at a time.

        Raises:
            DigestMismatch: something is not what its digest says; it is not kept.
        """
        missing = [entry for entry in wanted if entry.digest not in self._blobs]
        pool = ThreadPoolExecutor(CONCURRENCY, thread_name_prefix="fetch")
        try:
            for future in as_completed([pool.submit(self._fetch_one, component, entry) for entry in missing]):
                future.result()
        finally:
            pool.shutdown(cancel_futures=True)

    def drop_rotten(self, wanted: Iterable[Descriptor]) -> None:
        """Hash what the store has, and forget what is no longer what its digest says."""
        for entry in wanted:
            if entry.digest in self._blobs and self._hash(entry.digest) != entry.digest:
                self._blobs.delete(entry.digest)

    def _fetch_one(self, component: ComponentId, entry: Descriptor) -> None:
        chunks = self._client.repository(component).blob(entry.digest)
        try:
            self._blobs.put(map(self._counted, chunks), entry.digest, max_bytes=entry.size)
        except TooLarge as error:
            what = f"content of {component}"
            raise DigestMismatch(what=what, expected=entry.digest, actual=f"> {entry.size} B") from error

    def _counted(self, chunk: bytes) -> bytes:
        if self.on_bytes is not None:
            self.on_bytes(len(chunk))
        return chunk

    def _hash(self, digest: str) -> str:
        hasher = hashlib.sha256()
        with self._blobs.open(digest) as stream:
            while chunk := stream.read(_CHUNK):
                hasher.update(chunk)
        return f"sha256:{hasher.hexdigest()}"


def needed(layout: PackageLayout, chosen: RuntimeLayout) -> list[Descriptor]:
    """What of a package is installed: the part for one runtime, and the image where there is one."""
    parts = [layout.config, *chosen.wheels, *chosen.files, *chosen.rest]
    if chosen.sbom is not None:
        parts.append(chosen.sbom)
    if layout.image is not None:
        if layout.image.listed:
            parts.append(layout.image.root)
        for manifest in layout.image.manifests:
            parts += [manifest.config, *manifest.layers]
    return list({part.digest: part for part in parts}.values())
