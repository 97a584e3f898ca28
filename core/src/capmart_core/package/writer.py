"""Writing a package: an OCI image layout in a tar whose bytes depend on its content alone."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from capmart_core.canonical import canonical_bytes
from capmart_core.errors import InvalidPackage
from capmart_core.identifiers import Runtime
from capmart_core.manifest.models import Manifest, PythonDelivery
from capmart_core.package import media_types as types
from capmart_core.package.descriptors import Descriptor
from capmart_core.package.images import OCI_LAYOUT, blob_path, read_image
from capmart_core.package.layout import ImageContent, PackageLayout, describe_layout
from capmart_core.package.tars import write_members

RuntimeWheels = Mapping[str, Sequence[Path]] | Mapping[Runtime, Sequence[Path]]

_READ_BYTES = 1 << 20
_NO_PLATFORM = {"architecture": "unknown", "os": "unknown"}


@dataclass(frozen=True)
class PackedPackage:
    """A package that was written.

    Attributes:
        index_digest: the package's digest.
        config_digest: of the manifest's canonical JSON.
        size: of the file in bytes.
    """

    index_digest: str
    config_digest: str
    path: Path
    size: int


def write_package(
    path: Path,
    manifest: Manifest,
    *,
    wheels: RuntimeWheels | None = None,
    files: Mapping[str, Path] | None = None,
    image_layout: Path | None = None,
    sbom: Mapping[str, Any] | None = None,
) -> PackedPackage:
    """Write a package; the file appears when it is complete.

    Args:
        path: where to write it; a file that is there is replaced.
        manifest: names the runtimes, files and image that the other arguments hold.
        wheels: for each runtime, the component's own wheel first.
        files: data files by the path in the manifest.
        image_layout: folder with an OCI image layout of one image.
        sbom: CycloneDX.

    Raises:
        InvalidPackage: the parts contradict each other.
    """
    return _Writing(manifest, dict(files or {}), image_layout, sbom).write(path, wheels or {})


class _Writing:
    def __init__(
        self, manifest: Manifest, files: dict[str, Path], image_layout: Path | None, sbom: Mapping[str, Any] | None
    ) -> None:
        self._manifest = manifest
        self._contents: dict[str, bytes | Path] = {}
        self._sizes: dict[str, int] = {}
        self._files = [self._file(file, types.DATA, name) for name, file in sorted(files.items())]
        self._sbom = [] if sbom is None else [self._bytes(canonical_bytes(dict(sbom)), types.SBOM, "sbom.cdx.json")]
        self._image: ImageContent | None = None
        if image_layout is not None:
            self._image = self._take_image(image_layout)

    def write(self, path: Path, wheels: RuntimeWheels) -> PackedPackage:
        config = self._bytes(canonical_bytes(self._manifest.model_dump(mode="json", exclude_none=True)), types.MANIFEST)
        manifests = [self._component_manifest(config, runtime, wheels) for runtime in self._runtimes()]
        images = () if self._image is None else tuple(image.descriptor for image in self._image.manifests)
        index = self._bytes(
            canonical_bytes(
                {
                    "schemaVersion": 2,
                    "mediaType": types.OCI_INDEX,
                    "artifactType": types.COMPONENT,
                    "manifests": [entry.as_json() for entry in (*manifests, *images)],
                    "annotations": {
                        types.COMPONENT_ID: self._manifest.id,
                        types.VERSION: self._manifest.version,
                    },
                }
            ),
            types.OCI_INDEX,
        )
        self._check(index, path)
        entry = Descriptor(
            index.media_type,
            index.digest,
            index.size,
            {types.REF_NAME: self._manifest.version},
            artifact_type=types.COMPONENT,
        )
        top = {"schemaVersion": 2, "mediaType": types.OCI_INDEX, "manifests": [entry.as_json()]}
        size = self._write_tar(path, canonical_bytes(top))
        return PackedPackage(index.digest, config.digest, path, size)

    def _runtimes(self) -> list[str | None]:
        delivery = self._manifest.delivery
        return list(delivery.runtimes) if isinstance(delivery, PythonDelivery) else [None]

    def _component_manifest(self, config: Descriptor, runtime: str | None, wheels: RuntimeWheels) -> Descriptor:
        by_runtime = {str(key): paths for key, paths in wheels.items()}
        layers = [self._file(path, types.WHEEL, path.name) for path in by_runtime.get(runtime or "", ())]
        layers += [*self._files, *self._sbom]
        if self._image is not None and self._image.listed:
            layers.append(self._image.root)
        if not layers:
            layers = [self._bytes(b"{}", types.OCI_EMPTY)]
        document = {
            "schemaVersion": 2,
            "mediaType": types.OCI_MANIFEST,
            "artifactType": types.COMPONENT,
            "config": config.as_json(),
            "layers": [layer.as_json() for layer in layers],
        }
        entry = self._bytes(canonical_bytes(document), types.OCI_MANIFEST)
        annotations = {} if runtime is None else {types.RUNTIME: runtime}
        # No artifactType here: skopeo up to 1.9 drops it from descriptors and so would change the index's digest.
        return Descriptor(entry.media_type, entry.digest, entry.size, annotations, dict(_NO_PLATFORM))

    def _take_image(self, folder: Path) -> ImageContent:
        image, documents = read_image(folder)
        for digest, data in documents.items():
            self._contents[digest], self._sizes[digest] = data, len(data)
        for manifest in image.manifests:
            for blob in (manifest.config, *manifest.layers):
                self._contents[blob.digest] = blob_path(folder, blob.digest)
                self._sizes[blob.digest] = blob.size
        return image

    def _bytes(self, data: bytes, media_type: str, title: str | None = None) -> Descriptor:
        entry = Descriptor.of(data, media_type, {} if title is None else {types.TITLE: title})
        self._contents[entry.digest], self._sizes[entry.digest] = data, entry.size
        return entry

    def _file(self, path: Path, media_type: str, title: str) -> Descriptor:
        hasher = hashlib.sha256()
        size = 0
        for chunk in _chunks(path):
            hasher.update(chunk)
            size += len(chunk)
        entry = Descriptor(media_type, f"sha256:{hasher.hexdigest()}", size, {types.TITLE: title})
        self._contents[entry.digest], self._sizes[entry.digest] = path, size
        return entry

    def _check(self, index: Descriptor, path: Path) -> PackageLayout:
        """Read the documents as every reader will, so that what is written is never refused later."""

        def fetch(entry: Descriptor) -> bytes:
            content = self._contents.get(entry.digest, b"")
            return content if isinstance(content, bytes) else content.read_bytes()

        return describe_layout(fetch(index), fetch, what=path.name)

    def _write_tar(self, path: Path, top: bytes) -> int:
        members: list[tuple[str, int, Iterable[bytes]]] = [
            ("oci-layout", len(OCI_LAYOUT), [OCI_LAYOUT]),
            ("index.json", len(top), [top]),
        ]
        members += [
            (f"blobs/sha256/{digest.removeprefix('sha256:')}", self._sizes[digest], self._verified(digest))
            for digest in sorted(self._contents)
        ]
        partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            with partial.open("xb") as stream:
                write_members(stream, members)
                stream.flush()
                os.fsync(stream.fileno())
                size = stream.tell()
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        return size

    def _verified(self, digest: str) -> Iterator[bytes]:
        content = self._contents[digest]
        hasher = hashlib.sha256()
        for chunk in [content] if isinstance(content, bytes) else _chunks(content):
            hasher.update(chunk)
            yield chunk
        if f"sha256:{hasher.hexdigest()}" != digest:
            raise InvalidPackage(file=content, reason="it changed while it was packed")


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while chunk := stream.read(_READ_BYTES):
            yield chunk
