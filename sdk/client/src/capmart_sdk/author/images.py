"""Images of the local Docker engine as OCI image layouts."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import IO, Any

from capmart_core.canonical import canonical_bytes, parse_json
from capmart_core.errors import DigestMismatch, EngineUnavailable, InvalidPackage, NotFound
from capmart_core.package import Descriptor, media_types, write_layout

_SAVE_S = 1800
_READ_BYTES = 1 << 20
_MAX_DOCUMENT = 4 << 20
_GZIP_LEVEL = 6


def save_image(reference: str, folder: Path) -> None:
    """Write an image of the local engine into ``folder`` as an OCI image layout.

    The same image gives the same bytes: layers are packed without a time or a name. They are packed because tools on
    the way (skopeo, registries) pack plain layers and so would change their digests.

    Raises:
        EngineUnavailable: there is no ``docker`` command, or no engine answers it.
        NotFound: the engine has no such image.
        InvalidPackage: what it saved is malformed.
    """
    if shutil.which("docker") is None:
        raise EngineUnavailable(reason="the command docker was not found")
    with tempfile.TemporaryDirectory(prefix="capmart-image-") as name:
        saved = Path(name) / "image.tar"
        command = ["docker", "image", "save", "--output", str(saved), reference]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SAVE_S)
        if done.returncode != 0:
            reason = done.stderr.strip()[-300:]
            if "No such image" in reason or "reference does not exist" in reason:
                raise NotFound(what=f"image {reference}")
            raise EngineUnavailable(reason=reason)
        convert_saved(saved, folder)


def convert_saved(saved: Path, folder: Path) -> None:
    """Turn what ``docker save`` wrote, in the format of any engine, into an OCI image layout.

    Raises:
        InvalidPackage: it is malformed or holds several images.
        DigestMismatch: a layer is not what the image's config says.
    """
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(saved) as tar:
            listed = _json(tar, "manifest.json")
            if not isinstance(listed, list) or len(listed) != 1:
                raise InvalidPackage(file=saved.name, reason="it does not hold exactly one image")
            config_bytes = _read(tar, listed[0]["Config"])
            config = parse_json(config_bytes, what="image config", max_bytes=_MAX_DOCUMENT)
            diff_ids = config["rootfs"]["diff_ids"]
            names = listed[0]["Layers"]
            if len(names) != len(diff_ids):
                raise InvalidPackage(file=saved.name, reason="its config and its layers disagree")
            layers = [_layer(tar, layer, diff_id, blobs) for layer, diff_id in zip(names, diff_ids, strict=True)]
    except (tarfile.TarError, KeyError, TypeError) as error:
        raise InvalidPackage(file=saved.name, reason=f"it is not what docker save writes: {error!r}") from error
    document = {
        "schemaVersion": 2,
        "mediaType": media_types.OCI_MANIFEST,
        "config": _put(blobs, config_bytes, media_types.OCI_CONFIG).as_json(),
        "layers": [layer.as_json() for layer in layers],
    }
    platform = {name: config[name] for name in ("architecture", "os", "variant") if config.get(name)}
    manifest = _put(blobs, canonical_bytes(document), media_types.OCI_MANIFEST)
    write_layout(folder, Descriptor(manifest.media_type, manifest.digest, manifest.size, platform=platform))


def _layer(tar: tarfile.TarFile, name: str, diff_id: str, blobs: Path) -> Descriptor:
    """Pack one layer; what the engine saved packed is unpacked first, so that the result depends on content alone."""
    source = tar.extractfile(name)
    if source is None:
        raise InvalidPackage(file=name, reason="the layer is no file")
    with tempfile.TemporaryFile() as plain:
        with source:
            packed = source.read(2) == b"\x1f\x8b"
            source.seek(0)
            shutil.copyfileobj(gzip.GzipFile(fileobj=source) if packed else source, plain, _READ_BYTES)
        actual = _digest(plain)
        if actual != diff_id:
            raise DigestMismatch(what=f"layer {name}", expected=diff_id, actual=actual)
        target = blobs / diff_id.removeprefix("sha256:")  # its final name is known only when it is packed
        plain.seek(0)
        with target.open("wb") as raw, gzip.GzipFile("", "wb", _GZIP_LEVEL, raw, mtime=0) as packing:
            shutil.copyfileobj(plain, packing, _READ_BYTES)
    with target.open("rb") as stream:
        digest = _digest(stream)
    target.replace(blobs / digest.removeprefix("sha256:"))
    size = (blobs / digest.removeprefix("sha256:")).stat().st_size
    return Descriptor(media_types.OCI_LAYER_GZIP, digest, size)


def _digest(stream: IO[bytes]) -> str:
    stream.seek(0)
    hasher = hashlib.sha256()
    while chunk := stream.read(_READ_BYTES):
        hasher.update(chunk)
    return f"sha256:{hasher.hexdigest()}"


def _put(blobs: Path, data: bytes, media_type: str) -> Descriptor:
    entry = Descriptor.of(data, media_type)
    (blobs / entry.digest.removeprefix("sha256:")).write_bytes(data)
    return entry


def _json(tar: tarfile.TarFile, name: str) -> Any:
    return parse_json(_read(tar, name), what=name, max_bytes=_MAX_DOCUMENT)


def _read(tar: tarfile.TarFile, name: str) -> bytes:
    source = tar.extractfile(name)
    if source is None:
        raise InvalidPackage(file=name, reason="it is no file")
    with source:
        return source.read(_MAX_DOCUMENT)
