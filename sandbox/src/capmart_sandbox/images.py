"""Bringing a component's image from its OCI layout into the engine.

Engines of version 25 and newer load OCI layouts; older ones only their own archive, so that is what is written.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zstandard
from docker import APIClient
from docker.errors import DockerException, ImageNotFound

from capmart_core.canonical import parse_json
from capmart_core.errors import DigestMismatch, EngineUnavailable, InvalidPackage
from capmart_core.identifiers import check_digest
from capmart_sandbox.hardening import USER

REPOSITORY = "capmart/component"

_MAX_DOCUMENT = 4 * 1024 * 1024
_MAX_LAYER = 16 * 1024**3
_CHUNK = 1 << 20


@dataclass(frozen=True)
class ComponentImage:
    """A component's image in the engine.

    Attributes:
        id: of the image.
        user: whom its processes run as: the image's own user when that is a number other than 0, otherwise nobody.
        volumes: paths that it declares as volumes.
    """

    id: str
    user: str
    volumes: tuple[str, ...]


def load(client: APIClient, layout: Path) -> ComponentImage:
    """The layout's image for the engine's platform, loaded when the engine does not have it.

    It stays in the engine as :data:`REPOSITORY`, tagged by its config's digest, so that the next start finds it.

    Raises:
        InvalidPackage: the layout has no image for the engine's platform.
        DigestMismatch: a layer is not what the image's config says.
        EngineUnavailable: the engine does not answer.
    """
    try:
        manifest = _manifest(layout, _architecture(client))
        config_digest = check_digest(manifest["config"]["digest"])
        reference = f"{REPOSITORY}:{config_digest.removeprefix('sha256:')[:40]}"
        found = _inspect(client, reference)
        if found is None:
            with tempfile.TemporaryFile() as archive:
                _write_archive(layout, manifest, reference, archive)
                archive.seek(0)
                for line in client.load_image(archive, quiet=True):  # type: ignore[no-untyped-call]
                    if "error" in line:
                        raise EngineUnavailable(reason=line["error"])
            found = _inspect(client, reference)
        if found is None:
            raise EngineUnavailable(reason=f"it loaded {reference} but does not have it")
    except (DockerException, OSError) as error:
        raise EngineUnavailable(reason=error) from error
    config = found["Config"]
    return ComponentImage(found["Id"], _user(str(config.get("User") or "")), tuple(sorted(config.get("Volumes") or ())))


def _user(declared: str) -> str:
    """A name is not trusted: the image's own ``/etc/passwd`` says what it means, and it may mean root."""
    match = re.fullmatch(r"(\d{1,9})(?::(\d{1,9}))?", declared)
    if match is None or int(match[1]) == 0 or match[2] == "0":
        return USER
    return f"{match[1]}:{match[2] or match[1]}"


def _inspect(client: APIClient, reference: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = client.inspect_image(reference)  # type: ignore[no-untyped-call]
    except ImageNotFound:
        return None
    return found


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


def _write_archive(layout: Path, manifest: dict[str, Any], reference: str, archive: Any) -> None:
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
        listed = [{"Config": config_name, "RepoTags": [reference], "Layers": names}]
        _add(tar, "manifest.json", json.dumps(listed).encode())


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
