"""Bringing a component's image from its OCI layout into the engine.

Engines of version 25 and newer load OCI layouts; older ones only their own archive, so that is what is written.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import zstandard
from docker import APIClient
from docker.errors import DockerException, ImageNotFound

from capmart_core.canonical import parse_json
from capmart_core.errors import DigestMismatch, EngineUnavailable, InvalidPackage
from capmart_core.identifiers import check_digest

_MAX_DOCUMENT = 4 * 1024 * 1024
_MAX_LAYER = 16 * 1024**3
_CHUNK = 1 << 20


def load(client: APIClient, layout: Path) -> str:
    """Id of the layout's image for this machine, loaded into the engine when it is not there.

    Raises:
        InvalidPackage: the layout has no image for the engine's platform.
        DigestMismatch: a layer is not what the image's config says.
        EngineUnavailable: the engine does not answer.
    """
    manifest = _manifest(layout, _architecture(client))
    config_digest = check_digest(manifest["config"]["digest"])
    try:
        try:
            return _id(client, config_digest)
        except ImageNotFound:
            with tempfile.TemporaryFile() as archive:
                _write_archive(layout, manifest, archive)
                archive.seek(0)
                for line in client.load_image(archive, quiet=True):  # type: ignore[no-untyped-call]
                    if "error" in line:
                        raise EngineUnavailable(reason=line["error"]) from None
            return _id(client, config_digest)
    except (DockerException, OSError) as error:
        raise EngineUnavailable(reason=error) from error


def _id(client: APIClient, reference: str) -> str:
    return str(client.inspect_image(reference)["Id"])  # type: ignore[no-untyped-call]


def _architecture(client: APIClient) -> str:
    return str(client.version()["Arch"])


def _manifest(layout: Path, architecture: str) -> dict[str, Any]:
    pending = list(_json(layout / "index.json").get("manifests", ()))
    while pending:
        entry = pending.pop(0)
        platform = entry.get("platform") or {}
        if platform and (platform.get("os"), platform.get("architecture")) != ("linux", architecture):
            continue
        document = _json(_blob(layout, entry["digest"]))
        if "manifests" in document:
            pending.extend(document["manifests"])
        elif "layers" in document:
            return document
    raise InvalidPackage(file=layout, reason=f"it has no image for linux/{architecture}")


def _write_archive(layout: Path, manifest: dict[str, Any], archive: Any) -> None:
    config = _blob(layout, manifest["config"]["digest"]).read_bytes()
    diff_ids = parse_json(config, what="image config", max_bytes=_MAX_DOCUMENT)["rootfs"]["diff_ids"]
    names = []
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for entry, diff_id in zip(manifest["layers"], diff_ids, strict=True):
            with tempfile.TemporaryFile() as plain:
                _unpack(_blob(layout, entry["digest"]), plain, diff_id)
                name = f"{check_digest(diff_id).removeprefix('sha256:')}/layer.tar"
                info = tarfile.TarInfo(name)
                info.size = plain.tell()
                plain.seek(0)
                tar.addfile(info, plain)
                names.append(name)
        config_name = f"{hashlib.sha256(config).hexdigest()}.json"
        _add(tar, config_name, config)
        _add(tar, "manifest.json", json.dumps([{"Config": config_name, "RepoTags": None, "Layers": names}]).encode())


def _unpack(packed: Path, plain: Any, diff_id: str) -> None:
    seen = hashlib.sha256()
    size = 0
    with packed.open("rb") as raw:
        magic = raw.read(4)
        raw.seek(0)
        stream: Any = raw
        if magic[:2] == b"\x1f\x8b":
            stream = gzip.GzipFile(fileobj=raw)
        elif magic == b"\x28\xb5\x2f\xfd":
            stream = zstandard.ZstdDecompressor().stream_reader(raw)
        while chunk := stream.read(_CHUNK):
            size += len(chunk)
            if size > _MAX_LAYER:
                raise InvalidPackage(file=packed.name, reason="a layer of its image is too large")
            seen.update(chunk)
            plain.write(chunk)
    actual = f"sha256:{seen.hexdigest()}"
    if actual != diff_id:
        raise DigestMismatch(what="image layer", expected=diff_id, actual=actual)


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def _blob(layout: Path, digest: str) -> Path:
    return layout / "blobs" / "sha256" / check_digest(digest).removeprefix("sha256:")


def _json(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        value = parse_json(file.read(_MAX_DOCUMENT + 1), what=path.name, max_bytes=_MAX_DOCUMENT)
    if not isinstance(value, dict):
        raise InvalidPackage(file=path.name, reason="it is not an object")
    return value
