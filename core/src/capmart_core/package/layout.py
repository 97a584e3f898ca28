"""What a package holds, read from its documents: the same whether they lie in a file, in a store or at a center."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from capmart_core.canonical import canonical_bytes, parse_json
from capmart_core.errors import CapmartError, DigestMismatch, InvalidPackage
from capmart_core.identifiers import Runtime, digest_of
from capmart_core.manifest.models import ImageDelivery, Manifest, PythonDelivery
from capmart_core.package import media_types as types
from capmart_core.package.descriptors import Descriptor
from capmart_core.package.wheels import WheelName

MAX_DOCUMENT_BYTES = 4 << 20
MAX_RUNTIMES = 16
MAX_IMAGE_MANIFESTS = 64

Fetch = Callable[[Descriptor], bytes]
"""Gives a small document (a manifest or the config) by its descriptor; what it gives is verified by the caller."""


@dataclass(frozen=True)
class RuntimeLayout:
    """One manifest of the package: what one runtime needs.

    Attributes:
        runtime: None for a component that has no Python code of ours to run (image, files, remote).
        wheels: the component's own first.
        files: data files, by the path in their title.
        rest: what travels with it though nothing is read from it.
    """

    runtime: Runtime | None
    descriptor: Descriptor
    wheels: tuple[Descriptor, ...]
    files: tuple[Descriptor, ...]
    sbom: Descriptor | None = None
    rest: tuple[Descriptor, ...] = ()


@dataclass(frozen=True)
class ImageManifest:
    """One platform of an image: its manifest and what that names."""

    descriptor: Descriptor
    config: Descriptor
    layers: tuple[Descriptor, ...]


@dataclass(frozen=True)
class ImageContent:
    """The OCI image of an image delivery.

    Attributes:
        root: what ``ImageDelivery.image`` names: the one manifest, or the list of an image for several platforms.
        listed: whether ``root`` is such a list; it lies in the package as a plain blob.
    """

    root: Descriptor
    listed: bool
    manifests: tuple[ImageManifest, ...]


@dataclass(frozen=True)
class PackageLayout:
    """A package that has been read and whose parts agree with each other.

    Attributes:
        index: the package's index; its digest is the package's digest.
        documents: index and manifests by digest, as they were read.
        config: descriptor of the manifest JSON.
        config_bytes: the manifest JSON itself.
        manifest: what the component says of itself.
        runtimes: one for each runtime, or a single one without.
        image: for an image delivery.
    """

    index: Descriptor
    documents: Mapping[str, bytes]
    config: Descriptor
    config_bytes: bytes
    manifest: Manifest
    runtimes: tuple[RuntimeLayout, ...]
    image: ImageContent | None

    @property
    def digest(self) -> str:
        """Of the package: its index."""
        return self.index.digest

    def manifests(self) -> tuple[Descriptor, ...]:
        """Every manifest that the index lists, in the order in which a registry takes them before the index."""
        image = () if self.image is None else tuple(manifest.descriptor for manifest in self.image.manifests)
        return (*(runtime.descriptor for runtime in self.runtimes), *image)

    def blobs(self) -> tuple[Descriptor, ...]:
        """Every blob, each once."""
        return tuple({blob.digest: blob for blob in self._blobs()}.values())

    def _blobs(self) -> Iterator[Descriptor]:
        yield self.config
        for runtime in self.runtimes:
            yield from (*runtime.wheels, *runtime.files, *runtime.rest)
            if runtime.sbom is not None:
                yield runtime.sbom
        if self.image is not None:
            if self.image.listed:
                yield self.image.root
            for manifest in self.image.manifests:
                yield manifest.config
                yield from manifest.layers

    @property
    def size(self) -> int:
        """Of everything in it, in bytes."""
        return self.index.size + sum(part.size for part in (*self.manifests(), *self.blobs()))


def describe_layout(index: bytes, fetch: Fetch, *, what: str = "package") -> PackageLayout:
    """Read a package's documents and check that they agree; layers are not fetched.

    Args:
        index: the package's index, of which the caller knows or checks the digest.
        fetch: gives manifests and the config.
        what: names the package in errors.

    Raises:
        InvalidPackage: it is malformed, or its parts contradict each other.
        DigestMismatch: a document is not what its digest says.
    """
    try:
        return _Reading(index, fetch, what).layout()
    except (ValueError, ValidationError) as error:
        raise InvalidPackage(file=what, reason=_reason(error)) from error
    except CapmartError as error:
        if error.code in {"invalid_json", "invalid_identifier"}:
            raise InvalidPackage(file=what, reason=error.message("en")) from error
        raise


def _reason(error: ValueError | ValidationError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    field = ".".join(map(str, first["loc"])) or "manifest"
    return f"its manifest has {error.error_count()} problem(s), the first at {field}: {first['msg']}"


class _Reading:
    def __init__(self, index: bytes, fetch: Fetch, what: str) -> None:
        self._fetch = fetch
        self._what = what
        self._index = index
        self.documents: dict[str, bytes] = {digest_of(index): index}

    def layout(self) -> PackageLayout:
        index = self._json(self._index, "index")
        if index.get("mediaType") != types.OCI_INDEX or index.get("artifactType") != types.COMPONENT:
            raise ValueError("its index is not that of a capability component")
        listed = [Descriptor.parse(value) for value in _list(index, "manifests", MAX_RUNTIMES + MAX_IMAGE_MANIFESTS)]
        documents = [(entry, self._document(entry)) for entry in listed]
        own = [pair for pair in documents if pair[1].get("artifactType") == types.COMPONENT]
        images = [pair for pair in documents if pair[1].get("artifactType") != types.COMPONENT]
        if not 1 <= len(own) <= MAX_RUNTIMES:
            raise ValueError(f"its index lists {len(own)} component manifests, not 1 to {MAX_RUNTIMES}")
        parts = [self._component_manifest(entry, document) for entry, document in own]
        configs = {config for config, _, _ in parts}
        if len(configs) != 1:
            raise ValueError("its manifests name different configs")
        config = Descriptor(types.MANIFEST, *configs.pop())
        config_bytes, manifest = self._manifest(config)
        runtimes = tuple(runtime for _, runtime, _ in parts)
        image_list = next((entry for _, _, entry in parts if entry is not None), None)
        self._check_index(index, manifest)
        _check_runtimes(manifest, runtimes)
        for runtime in runtimes:
            _check_files(manifest, runtime)
        return PackageLayout(
            index=Descriptor.of(self._index, types.OCI_INDEX),
            documents=self.documents,
            config=config,
            config_bytes=config_bytes,
            manifest=manifest,
            runtimes=runtimes,
            image=self._image(manifest, images, image_list),
        )

    def _component_manifest(
        self, entry: Descriptor, document: Mapping[str, Any]
    ) -> tuple[tuple[str, int], RuntimeLayout, Descriptor | None]:
        config = Descriptor.parse(document.get("config"))
        if config.media_type != types.MANIFEST:
            raise ValueError(f"the config of {entry.digest} is not a capability manifest")
        layers = [Descriptor.parse(value) for value in _list(document, "layers", 20_000)]
        by_type = {
            media_type: tuple(layer for layer in layers if layer.media_type == media_type)
            for media_type in (types.WHEEL, types.DATA, types.SBOM, types.IMAGE_LIST, types.OCI_EMPTY)
        }
        if sum(map(len, by_type.values())) != len(layers):
            raise ValueError(f"manifest {entry.digest} has a layer of an unknown media type")
        if len(by_type[types.SBOM]) > 1 or len(by_type[types.IMAGE_LIST]) > 1:
            raise ValueError(f"manifest {entry.digest} has more than one SBOM or image list")
        text = entry.annotations.get(types.RUNTIME)
        runtime = RuntimeLayout(
            runtime=None if text is None else Runtime.parse(text),
            descriptor=entry,
            wheels=by_type[types.WHEEL],
            files=by_type[types.DATA],
            sbom=next(iter(by_type[types.SBOM]), None),
            rest=by_type[types.OCI_EMPTY],
        )
        return (config.digest, config.size), runtime, next(iter(by_type[types.IMAGE_LIST]), None)

    def _manifest(self, config: Descriptor) -> tuple[bytes, Manifest]:
        data = self._verified(config)
        value = parse_json(data, what="manifest", max_bytes=MAX_DOCUMENT_BYTES)
        if canonical_bytes(value) != data:
            raise ValueError("its manifest is not canonical JSON (RFC 8785)")
        return data, Manifest.model_validate(value)

    def _image(
        self, manifest: Manifest, images: list[tuple[Descriptor, dict[str, Any]]], image_list: Descriptor | None
    ) -> ImageContent | None:
        delivery = manifest.delivery
        if not isinstance(delivery, ImageDelivery):
            if images or image_list is not None:
                raise ValueError("it holds an image, but is not delivered as one")
            return None
        manifests = tuple(
            ImageManifest(
                entry,
                Descriptor.parse(document.get("config")),
                tuple(Descriptor.parse(value) for value in _list(document, "layers", 1_000)),
            )
            for entry, document in images
        )
        if not 1 <= len(manifests) <= MAX_IMAGE_MANIFESTS:
            raise ValueError("it is delivered as an image, but holds none")
        if image_list is None:
            root = manifests[0].descriptor
            if len(manifests) != 1:
                raise ValueError("it holds several images without a list of them")
        else:
            root = image_list
            value = self._json(self._verified(root), "image list")
            named = [Descriptor.parse(child).digest for child in _list(value, "manifests", MAX_IMAGE_MANIFESTS)]
            if sorted(named) != sorted(entry.digest for entry, _ in images):
                raise ValueError("its image list and its index name different image manifests")
        if root.digest != delivery.image:
            raise ValueError(f"its manifest names image {delivery.image}, it holds {root.digest}")
        return ImageContent(root, image_list is not None, manifests)

    def _check_index(self, index: dict[str, Any], manifest: Manifest) -> None:
        annotations = index.get("annotations")
        if not isinstance(annotations, dict) or (
            annotations.get(types.COMPONENT_ID),
            annotations.get(types.VERSION),
        ) != (manifest.id, manifest.version):
            raise ValueError(f"its index is not labelled {manifest.id} {manifest.version}, as its manifest is")

    def _document(self, entry: Descriptor) -> dict[str, Any]:
        if entry.media_type not in types.IMAGE_MANIFESTS:
            raise ValueError(f"{entry.digest} in its index is neither a component nor an image manifest")
        data = self._verified(entry)
        document = self._json(data, f"manifest {entry.digest}")
        if document.get("mediaType", entry.media_type) != entry.media_type:
            raise ValueError(f"manifest {entry.digest} has another media type")
        self.documents[entry.digest] = data
        return document

    def _verified(self, entry: Descriptor) -> bytes:
        if entry.size > MAX_DOCUMENT_BYTES:
            raise ValueError(f"{entry.digest} is larger than {MAX_DOCUMENT_BYTES} bytes")
        data = self._fetch(entry)
        actual = digest_of(data)
        if actual != entry.digest or len(data) != entry.size:
            raise DigestMismatch(
                what=self._what, expected=f"{entry.digest} ({entry.size})", actual=f"{actual} ({len(data)})"
            )
        return data

    def _json(self, data: bytes, name: str) -> dict[str, Any]:
        value = parse_json(data, what=f"{self._what}: {name}", max_bytes=MAX_DOCUMENT_BYTES)
        if not isinstance(value, dict):
            raise ValueError(f"its {name} is not a JSON object")  # noqa: TRY004 - one error for all that is malformed
        return value


def _list(document: Mapping[str, Any], name: str, limit: int) -> list[Any]:
    value = document.get(name)
    if not isinstance(value, list):
        raise ValueError(f"a document has no list of {name}")  # noqa: TRY004 - one error for all that is malformed
    if len(value) > limit:
        raise ValueError(f"a document lists more than {limit} {name}")
    return value


def _check_runtimes(manifest: Manifest, runtimes: tuple[RuntimeLayout, ...]) -> None:
    found = [entry.runtime for entry in runtimes]
    delivery = manifest.delivery
    if not isinstance(delivery, PythonDelivery):
        if found != [None] or runtimes[0].wheels:
            raise ValueError(f"delivered as {delivery.type}, it has one manifest without runtime and wheels")
        return
    if [None if runtime is None else str(runtime) for runtime in found] != list(delivery.runtimes):
        raise ValueError("its manifest names other runtimes than it holds")
    for entry in runtimes:
        if not entry.wheels:
            raise ValueError(f"it has no wheel for {entry.runtime}")
        for wheel in entry.wheels:
            name = WheelName.parse(wheel.title)
            if entry.runtime is not None and not name.fits(entry.runtime):
                raise ValueError(f"wheel {wheel.title} cannot run on {entry.runtime}")
        _no_duplicates([wheel.title for wheel in entry.wheels], "wheel")


def _check_files(manifest: Manifest, runtime: RuntimeLayout) -> None:
    said = {file.path: (file.digest, file.size) for file in manifest.files}
    held = {layer.title: (layer.digest, layer.size) for layer in runtime.files}
    _no_duplicates([layer.title for layer in runtime.files], "file")
    if said != held:
        odd = sorted(path for path in {*said, *held} if said.get(path) != held.get(path))
        raise ValueError(f"its manifest and its layers disagree about the files {', '.join(odd[:5])}")


def _no_duplicates(names: Iterable[str], what: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"it holds two {what}s named {name[:200]!r}")
        seen.add(name)
