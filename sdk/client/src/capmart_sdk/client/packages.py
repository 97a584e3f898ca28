"""Packages by digest, to and from a center: what is there is not sent again, what came is verified."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from capmart_core.blobs.folder import read_chunks
from capmart_core.errors import DigestMismatch, TooLarge
from capmart_core.identifiers import digest_of
from capmart_core.package import MAX_DOCUMENT_BYTES, Descriptor, PackageLayout, PackageReader, describe_layout
from capmart_core.package import media_types as types
from capmart_core.ports.blobs import BlobStore
from capmart_sdk.client.oci import Repository

MAX_BLOB_BYTES = 16 * 1024**3
_MANIFESTS = frozenset({types.OCI_MANIFEST, types.OCI_INDEX, types.DOCKER_MANIFEST})

Moved = Callable[[Descriptor], None]
"""Told of each part when it is there."""


def push_package(package: PackageReader, repository: Repository, moved: Moved = lambda _: None) -> int:
    """Send what the center lacks of a package, the index last, and return how many bytes that were.

    Killed and run again, it goes on with the part at which it stopped.

    Raises:
        CapmartError: the center refused a part or does not answer.
    """
    layout, sent = package.layout, 0
    for part in layout.blobs():
        with package.open_blob(part.digest) as stream:
            sent += part.size if repository.push_blob(part.digest, read_chunks(stream), part.size) else 0
        moved(part)
    for part in (*layout.manifests(), layout.index):
        media_type = types.OCI_INDEX if part is layout.index else part.media_type
        sent += part.size if repository.push_manifest(part.digest, layout.documents[part.digest], media_type) else 0
        moved(part)
    return sent


def fetch_layout(repository: Repository, blobs: BlobStore, digest: str, config: str, *, what: str) -> PackageLayout:
    """A package's documents: its index, manifests and manifest JSON.

    Args:
        repository: where it lies.
        blobs: of what was fetched before.
        digest: of the package, from a verified statement.
        config: of its manifest JSON, from the same statement.
        what: names the package in errors.

    Raises:
        DigestMismatch: something is not what its digest says.
        InvalidPackage: it is no package.
    """
    layout = describe_layout(repository.manifest(digest), lambda entry: _document(blobs, repository, entry), what=what)
    if layout.config.digest != config:
        raise DigestMismatch(what=f"manifest of {what}", expected=config, actual=layout.config.digest)
    return layout


def fetch_content(
    repository: Repository, blobs: BlobStore, layout: PackageLayout, moved: Moved = lambda _: None
) -> None:
    """Put everything that a package holds into ``blobs``; what is there is not fetched again.

    Raises:
        DigestMismatch: something is not what its digest says; it is not kept.
        TooLarge: a part is larger than anything that is taken.
    """
    for part in layout.blobs():
        if part.digest not in blobs:
            if part.size > MAX_BLOB_BYTES:
                raise TooLarge(what=part.digest, limit=MAX_BLOB_BYTES)
            blobs.put(repository.blob(part.digest), part.digest, max_bytes=part.size)
        moved(part)
    for digest, data in layout.documents.items():
        blobs.put([data], digest, max_bytes=len(data))


def _document(blobs: BlobStore, repository: Repository, entry: Descriptor) -> bytes:
    if entry.digest in blobs:
        with blobs.open(entry.digest) as stream:
            return stream.read(MAX_DOCUMENT_BYTES + 1)
    if entry.media_type in _MANIFESTS:
        return repository.manifest(entry.digest)
    if entry.size > MAX_DOCUMENT_BYTES:
        raise TooLarge(what=entry.digest, limit=MAX_DOCUMENT_BYTES)
    data = b"".join(_bounded(repository.blob(entry.digest), entry.size))
    if digest_of(data) != entry.digest:
        raise DigestMismatch(what=entry.media_type, expected=entry.digest, actual=digest_of(data))
    return data


def _bounded(chunks: Iterator[bytes], limit: int) -> Iterator[bytes]:
    left = limit
    for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            raise TooLarge(what="the answer", limit=limit)
        yield chunk
