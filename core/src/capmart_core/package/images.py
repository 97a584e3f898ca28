"""OCI images as folders: what lies in an OCI image layout, and how to write one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from capmart_core.canonical import canonical_bytes, parse_json
from capmart_core.errors import DigestMismatch, InvalidPackage
from capmart_core.identifiers import digest_of
from capmart_core.package import media_types as types
from capmart_core.package.descriptors import Descriptor
from capmart_core.package.layout import MAX_DOCUMENT_BYTES, MAX_IMAGE_MANIFESTS, ImageContent, ImageManifest

OCI_LAYOUT = canonical_bytes({"imageLayoutVersion": "1.0.0"})


def blob_path(folder: Path, digest: str) -> Path:
    """Where content lies in an OCI image layout."""
    return folder / "blobs" / "sha256" / digest.removeprefix("sha256:")


def write_layout(folder: Path, root: Descriptor, *, tag: str | None = None) -> None:
    """Write the two small files that make ``folder`` an OCI image layout of ``root``; its blobs are there already."""
    annotations = {} if tag is None else {types.REF_NAME: tag}
    entry = Descriptor(root.media_type, root.digest, root.size, annotations, root.platform, root.artifact_type)
    index = {"schemaVersion": 2, "mediaType": types.OCI_INDEX, "manifests": [entry.as_json()]}
    (folder / "oci-layout").write_bytes(OCI_LAYOUT)
    (folder / "index.json").write_bytes(canonical_bytes(index))


def read_image(folder: Path) -> tuple[ImageContent, Mapping[str, bytes]]:
    """Read an OCI image layout that holds one image, for one platform or several.

    Returns:
        what it holds, and its documents by digest.

    Raises:
        InvalidPackage: it is no layout, holds several images, or lacks something it names.
        DigestMismatch: a document is not what its digest says.
    """
    try:
        return _Reading(folder).read()
    except (ValueError, OSError) as error:
        raise InvalidPackage(file=folder, reason=str(error)) from error


class _Reading:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._documents: dict[str, bytes] = {}

    def read(self) -> tuple[ImageContent, Mapping[str, bytes]]:
        index = self._object((self._folder / "index.json").read_bytes(), "index.json")
        roots = self._descriptors(index, "manifests")
        if len(roots) != 1:
            raise ValueError(f"it holds {len(roots)} images; a component is delivered as one")
        root = roots[0]
        if root.media_type in types.IMAGE_INDEXES:
            children = self._descriptors(self._document(root), "manifests")
            manifests = tuple(map(self._manifest, children))
            root = Descriptor(types.IMAGE_LIST, root.digest, root.size)
            return ImageContent(root, listed=True, manifests=manifests), self._documents
        manifest = self._manifest(root)
        return ImageContent(manifest.descriptor, listed=False, manifests=(manifest,)), self._documents

    def _manifest(self, entry: Descriptor) -> ImageManifest:
        if entry.media_type not in types.IMAGE_MANIFESTS:
            raise ValueError(f"{entry.digest} is of media type {entry.media_type}, no image manifest")
        document = self._document(entry)
        config = Descriptor.parse(document.get("config"))
        platform = entry.platform or self._platform(config)
        # Names and tags of the place it came from are left out: they are not content.
        entry = Descriptor(entry.media_type, entry.digest, entry.size, {}, platform, entry.artifact_type)
        layers = tuple(self._descriptors(document, "layers"))
        for blob in (config, *layers):
            size = blob_path(self._folder, blob.digest).stat().st_size
            if size != blob.size:
                raise ValueError(f"{blob.digest} has {size} bytes, not {blob.size}")
        return ImageManifest(entry, config, layers)

    def _platform(self, config: Descriptor) -> dict[str, Any]:
        value = self._object(self._bytes(config), "image config")
        platform = {name: value.get(name) for name in ("architecture", "os", "variant")}
        if not isinstance(platform["architecture"], str) or not isinstance(platform["os"], str):
            raise ValueError("the image's config does not say its os and architecture")  # noqa: TRY004
        return {name: text for name, text in platform.items() if isinstance(text, str)}

    def _document(self, entry: Descriptor) -> dict[str, Any]:
        data = self._bytes(entry)
        self._documents[entry.digest] = data
        return self._object(data, entry.digest)

    def _bytes(self, entry: Descriptor) -> bytes:
        if entry.size > MAX_DOCUMENT_BYTES:
            raise ValueError(f"{entry.digest} is larger than {MAX_DOCUMENT_BYTES} bytes")
        path = blob_path(self._folder, entry.digest)
        if path.stat().st_size != entry.size:
            raise ValueError(f"{entry.digest} has {path.stat().st_size} bytes, not {entry.size}")
        data = path.read_bytes()
        if digest_of(data) != entry.digest:
            raise DigestMismatch(what=self._folder, expected=entry.digest, actual=digest_of(data))
        return data

    def _object(self, data: bytes, name: str) -> dict[str, Any]:
        value = parse_json(data, what=f"{self._folder}: {name}", max_bytes=MAX_DOCUMENT_BYTES)
        if not isinstance(value, dict):
            raise ValueError(f"{name} is not a JSON object")  # noqa: TRY004 - one error for all that is malformed
        return value

    @staticmethod
    def _descriptors(document: Mapping[str, Any], name: str) -> list[Descriptor]:
        values: Iterable[object] | None = document.get(name)
        if not isinstance(values, list) or len(values) > max(MAX_IMAGE_MANIFESTS, 1_000):
            raise ValueError(f"it has no list of {name} of a plausible length")
        return [Descriptor.parse(value) for value in values]
