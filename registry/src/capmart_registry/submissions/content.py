"""A submitted package as it lies in the center's store: what it holds and what of it is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from capmart_core.errors import BlobNotFound, InvalidPackage, PackageIncomplete, TooLarge
from capmart_core.package import MAX_DOCUMENT_BYTES, Descriptor, PackageLayout, describe_layout
from capmart_core.package import media_types as types
from capmart_core.ports.blobs import BlobStore
from capmart_registry.catalog.manifests import parse_manifest

MAX_LISTED = 50


@dataclass(frozen=True)
class PackageContent:
    """A package all of which is here.

    Attributes:
        sizes: of every digest that belongs to it, its index among them, in bytes.
    """

    layout: PackageLayout
    sizes: Mapping[str, int]

    @property
    def digests(self) -> list[str]:
        """Every digest, sorted."""
        return sorted(self.sizes)


def read_package(blobs: BlobStore, digest: str, *, what: str) -> PackageContent:
    """Read the package ``digest`` from the store and make sure that all of it is there.

    Args:
        blobs: the store.
        digest: of the package's index.
        what: names the package in errors.

    Raises:
        PackageIncomplete: something is missing; names it.
        InvalidPackage: it is no package, or its parts contradict each other.
        InvalidManifest: its manifest is malformed; lists every problem.
    """
    try:
        layout = describe_layout(
            _read(blobs, digest, MAX_DOCUMENT_BYTES), lambda entry: _document(blobs, entry), what=what
        )
    except BlobNotFound as error:
        raise PackageIncomplete(release=what, count=1, missing=str(error.data["digest"])) from error
    sizes: dict[str, int] = {layout.digest: layout.index.size}
    missing: list[str] = []
    for part in (*layout.manifests(), *layout.blobs()):
        try:
            sizes[part.digest] = blobs.size(part.digest)
        except BlobNotFound:
            missing.append(part.digest)
            continue
        if sizes[part.digest] != part.size:
            reason = f"{part.digest} has {sizes[part.digest]} bytes, not the {part.size} that it says"
            raise InvalidPackage(file=what, reason=reason)
    if missing:
        raise PackageIncomplete(release=what, count=len(missing), missing=", ".join(missing[:MAX_LISTED]))
    return PackageContent(layout, sizes)


def missing_content(blobs: BlobStore, layout: PackageLayout) -> list[Descriptor]:
    """What of a package is not in the store yet."""
    return [part for part in (*layout.blobs(), *layout.manifests(), layout.index) if part.digest not in blobs]


def _document(blobs: BlobStore, entry: Descriptor) -> bytes:
    data = _read(blobs, entry.digest, MAX_DOCUMENT_BYTES)
    if entry.media_type == types.MANIFEST:
        parse_manifest(data)  # lists every problem; reading the layout would name the first
    return data


def _read(blobs: BlobStore, digest: str, limit: int) -> bytes:
    with blobs.open(digest) as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise TooLarge(what=digest, limit=limit)
    return data
