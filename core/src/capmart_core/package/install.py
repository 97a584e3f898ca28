"""Putting a package's verified content on disk, ready to run.

::

    DEST/capmart.json      package digest and runtime
    DEST/manifest.json     what the component says of itself
    DEST/documents/…       the package's index and manifests, named by their digests
    DEST/wheels/*.whl      for the runtime that was chosen
    DEST/files/…           data files
    DEST/image/            OCI image layout

Everything is written into a folder beside it, which takes DEST's name when it is complete; a lock file beside DEST lets
one process work at a time. After a kill, the next run removes what was left and starts again.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from capmart_core.blobs.folder import read_chunks
from capmart_core.canonical import canonical_bytes, parse_json
from capmart_core.errors import (
    BlobNotFound,
    CapmartError,
    DigestMismatch,
    InvalidPackage,
    NotInstalled,
    RuntimeMismatch,
    TooLarge,
)
from capmart_core.identifiers import Runtime, digest_of
from capmart_core.manifest.models import ImageDelivery, PythonDelivery
from capmart_core.package.descriptors import Descriptor
from capmart_core.package.images import blob_path, write_layout
from capmart_core.package.layout import (
    MAX_DOCUMENT_BYTES,
    ImageContent,
    PackageLayout,
    RuntimeLayout,
    describe_layout,
)
from capmart_core.package.limits import DEFAULT_LIMITS, PackageLimits
from capmart_core.package.wheels import check_wheel
from capmart_core.ports.blobs import BlobStore
from capmart_core.ports.runner import RunSpec

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class InstalledTree:
    """An installed package.

    Attributes:
        path: its folder.
        runtime: the part of the package that was installed.
        files: folder of its data files; None when it has none.
    """

    path: Path
    layout: PackageLayout
    runtime: RuntimeLayout
    files: Path | None

    def spec(self, *, tenant: str = "local") -> RunSpec | None:
        """What a runner needs; None for what does not run (files, remote)."""
        manifest = self.layout.manifest
        delivery = manifest.delivery
        if not isinstance(delivery, PythonDelivery | ImageDelivery):
            return None
        return RunSpec(
            component=f"{manifest.id}@{manifest.version}",
            digest=self.layout.digest,
            delivery=delivery,
            wheels=tuple(self.path / "wheels" / wheel.title for wheel in self.runtime.wheels),
            files=self.files,
            image=self.path / "image" if self.layout.image is not None else None,
            paths={action.name: action.path for action in manifest.actions if action.path is not None},
            limits=manifest.limits,
            permissions=manifest.permissions,
            tenant=tenant,
        )


def choose_runtime(layout: PackageLayout, offered: Runtime | None) -> RuntimeLayout:
    """The part of a package that can run where ``offered`` is given, the most specific first.

    Raises:
        RuntimeMismatch: none can; says what is missing.
    """
    manifest = layout.manifest
    component = f"{manifest.id}@{manifest.version}"
    if isinstance(manifest.delivery, PythonDelivery):
        fitting = [
            entry
            for entry in layout.runtimes
            if entry.runtime is not None and offered is not None and entry.runtime.runs_on(offered)
        ]
        if fitting:
            return next((entry for entry in fitting if entry.runtime and entry.runtime.platform != "any"), fitting[0])
        raise RuntimeMismatch(
            component=component,
            needed=", ".join(manifest.delivery.runtimes),
            offered=offered or "-",
            missing=_missing([Runtime.parse(text) for text in manifest.delivery.runtimes], offered),
        )
    if layout.image is not None and offered is not None:
        _check_machine(component, layout.image, offered)
    return layout.runtimes[0]


def _check_machine(component: str, image: ImageContent, offered: Runtime) -> None:
    machine = next((name for name in _MACHINES if offered.platform.endswith(name)), None)
    if machine is None:
        return
    wanted = f"linux/{_MACHINES[machine]}"
    platforms = [
        f"{(entry.descriptor.platform or {}).get('os')}/{(entry.descriptor.platform or {}).get('architecture')}"
        for entry in image.manifests
    ]
    if wanted not in platforms:
        raise RuntimeMismatch(
            component=component, needed=" / ".join(platforms), offered=wanted, missing=f"an image for {wanted}"
        )


def _missing(needed: list[Runtime], offered: Runtime | None) -> str:
    if offered is None:
        return "a base image"
    same = [runtime for runtime in needed if runtime.minor == offered.minor]
    if not same:
        return ", ".join(sorted({f"Python 3.{runtime.minor}" for runtime in needed}))
    return ", ".join(sorted({runtime.platform for runtime in same}))


def install_tree(
    layout: PackageLayout,
    blobs: BlobStore,
    dest: Path,
    runtime: Runtime | None,
    *,
    tenant: str = "local",
    limits: PackageLimits = DEFAULT_LIMITS,
) -> RunSpec | None:
    """Put a package on disk, every byte verified; see :func:`load_tree` for the whole of what was installed.

    Running it again, also twice at once or after it was killed, ends with the same tree. A tree that is there and was
    altered is replaced.

    Args:
        layout: what the package holds.
        blobs: where its content lies.
        dest: the folder that the tree becomes; its parent is made.
        runtime: what the base image gives; None where no Python can run, which is enough for files.
        tenant: on whose behalf it will run.
        limits: for each wheel.

    Returns:
        what a runner needs; None for what does not run (files, remote).

    Raises:
        RuntimeMismatch: nothing in the package runs on ``runtime``; names what is missing.
        DigestMismatch: content is not what its digest says; nothing is installed.
        BlobNotFound: content is missing.
        InvalidPackage: a wheel would do harm when it is unpacked.
    """
    chosen = choose_runtime(layout, runtime)
    dest.parent.mkdir(parents=True, exist_ok=True)
    with _alone(dest):
        if (tree := _intact(dest, layout, chosen)) is not None:
            return tree.spec(tenant=tenant)
        building = dest.with_name(f".{dest.name}.{secrets.token_hex(8)}.building")
        try:
            _Building(layout, chosen, blobs, building, limits).build()
            _swap(building, dest)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return load_tree(dest).spec(tenant=tenant)


def load_tree(dest: Path, *, digest: str | None = None) -> InstalledTree:
    """Open what :func:`install_tree` made; its documents are verified, its larger content is not (:func:`verify_tree`).

    Args:
        dest: the installed folder.
        digest: the package's digest, where the caller knows which it must be.

    Raises:
        NotInstalled: nothing is installed there.
        DigestMismatch, InvalidPackage: it was altered.
    """
    try:
        note = parse_json((dest / "capmart.json").read_bytes(), what="capmart.json", max_bytes=10_000)
        index = _document(dest, note["digest"])
    except FileNotFoundError as error:
        raise NotInstalled(component=dest.name) from error
    except (KeyError, TypeError) as error:
        raise InvalidPackage(file=dest / "capmart.json", reason="it was altered") from error
    actual = digest_of(index)
    if actual != note["digest"] or digest not in {None, actual}:
        raise DigestMismatch(what=dest, expected=digest or note["digest"], actual=actual)
    layout = describe_layout(index, lambda entry: _document(dest, entry.digest), what=dest.name)
    chosen = next((entry for entry in layout.runtimes if _runtime_text(entry) == note.get("runtime")), None)
    if chosen is None:
        raise InvalidPackage(file=dest / "capmart.json", reason="it names a runtime that the package does not have")
    return InstalledTree(dest, layout, chosen, dest / "files" if chosen.files else None)


def verify_tree(dest: Path, *, digest: str | None = None) -> InstalledTree:
    """Open an installed package and hash all of it.

    Raises:
        NotInstalled: nothing is installed there.
        DigestMismatch, BlobNotFound, InvalidPackage: it was altered.
    """
    tree = load_tree(dest, digest=digest)
    expected = dict(_contents(tree.layout, tree.runtime))
    for name, entry in expected.items():
        path = dest / name
        if path.is_symlink() or not path.is_file():
            raise BlobNotFound(digest=f"{name} ({entry.digest})", store=dest)
        actual = _hash_file(path)
        if actual != entry.digest:
            raise DigestMismatch(what=f"{dest.name}/{name}", expected=entry.digest, actual=actual)
    for folder in ("wheels", "files"):
        for path in (dest / folder).rglob("*"):
            name = path.relative_to(dest).as_posix()
            if not path.is_dir() and name not in expected:
                raise InvalidPackage(file=dest.name, reason=f"{name} does not belong to it")
    return tree


def _contents(layout: PackageLayout, chosen: RuntimeLayout) -> Iterator[tuple[str, Descriptor]]:
    """Where each blob goes in the tree."""
    yield "manifest.json", layout.config
    for wheel in chosen.wheels:
        yield f"wheels/{wheel.title}", wheel
    for file in chosen.files:
        yield f"files/{file.title}", file
    if chosen.sbom is not None:
        yield "sbom.cdx.json", chosen.sbom
    if layout.image is not None:
        image = layout.image
        for manifest in image.manifests:
            for entry in (manifest.descriptor, manifest.config, *manifest.layers):
                yield blob_path(Path("image"), entry.digest).as_posix(), entry
        if image.listed:
            yield blob_path(Path("image"), image.root.digest).as_posix(), image.root


class _Building:
    def __init__(
        self, layout: PackageLayout, chosen: RuntimeLayout, blobs: BlobStore, folder: Path, limits: PackageLimits
    ) -> None:
        self._layout = layout
        self._chosen = chosen
        self._blobs = blobs
        self._folder = folder
        self._limits = limits

    def build(self) -> None:
        self._folder.mkdir()
        documents = self._folder / "documents"
        documents.mkdir()
        for digest, data in self._layout.documents.items():
            (documents / digest.removeprefix("sha256:")).write_bytes(data)
        (documents / self._layout.config.digest.removeprefix("sha256:")).write_bytes(self._layout.config_bytes)
        for name, entry in _contents(self._layout, self._chosen):
            target = self._folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():  # two layers may be the same
                self._place(entry, target)
        for wheel in self._chosen.wheels:
            check_wheel(self._folder / "wheels" / wheel.title, self._limits.wheel)
        if self._layout.image is not None:
            self._image_layout(self._layout.image)
        note = {"v": 1, "digest": self._layout.digest, "runtime": _runtime_text(self._chosen)}
        (self._folder / "capmart.json").write_bytes(canonical_bytes(note))
        for folder, _, files in os.walk(self._folder):  # whoever made it under whichever umask, a container reads it
            Path(folder).chmod(0o755)
            for file in files:
                path = Path(folder) / file
                if path.stat().st_nlink == 1:
                    path.chmod(0o444)

    def _place(self, entry: Descriptor, target: Path) -> None:
        data = self._layout.documents.get(entry.digest)
        if data is not None:
            target.write_bytes(data)
            return
        local = self._blobs.local_path(entry.digest)
        if local is not None:
            with suppress(OSError):  # another file system, or one without hard links
                target.hardlink_to(local)
        if not target.exists():
            self._copy(entry, target)
        actual = _hash_file(target)
        if actual != entry.digest:
            raise DigestMismatch(what=entry.title or entry.media_type, expected=entry.digest, actual=actual)

    def _copy(self, entry: Descriptor, target: Path) -> None:
        left = entry.size
        with self._blobs.open(entry.digest) as source, target.open("xb") as file:
            for chunk in read_chunks(source):
                left -= len(chunk)
                if left < 0:
                    raise TooLarge(what=entry.digest, limit=entry.size)
                file.write(chunk)

    def _image_layout(self, image: ImageContent) -> None:
        root = image.root
        if image.listed:
            data = blob_path(self._folder / "image", root.digest).read_bytes()
            value = parse_json(data, what="image list", max_bytes=MAX_DOCUMENT_BYTES)
            root = Descriptor(value["mediaType"], root.digest, root.size)
        write_layout(self._folder / "image", root, tag=self._layout.manifest.version)


def _intact(dest: Path, layout: PackageLayout, chosen: RuntimeLayout) -> InstalledTree | None:
    """What is installed already, if it is the same and unharmed."""
    try:
        tree = verify_tree(dest, digest=layout.digest)
    except (CapmartError, OSError):
        return None
    return tree if tree.runtime == chosen else None


def _swap(building: Path, dest: Path) -> None:
    """Give ``building`` the name ``dest``; what was there is moved aside first, then removed."""
    old = dest.with_name(f".{dest.name}.{secrets.token_hex(8)}.old")
    with suppress(FileNotFoundError):
        dest.rename(old)
    building.rename(dest)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _alone(dest: Path) -> Iterator[None]:
    """Hold ``dest`` against other processes, and remove what a killed one left."""
    with dest.with_name(f".{dest.name}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for leftover in dest.parent.glob(f".{dest.name}.*"):
            if leftover.suffix in {".building", ".old"}:
                shutil.rmtree(leftover, ignore_errors=True)
        yield


def _document(dest: Path, digest: str) -> bytes:
    name = digest.removeprefix("sha256:")
    if len(name) != 64 or not name.isalnum():
        raise InvalidPackage(file=dest / "capmart.json", reason="it was altered")
    path = dest / "documents" / name
    if not path.exists():  # the list of an image for several platforms
        path = blob_path(dest / "image", digest)
    with path.open("rb") as stream:
        return stream.read(MAX_DOCUMENT_BYTES + 1)


def _runtime_text(entry: RuntimeLayout) -> str | None:
    return None if entry.runtime is None else str(entry.runtime)


def _hash_file(path: Path) -> str:
    with path.open("rb") as stream:
        return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"
