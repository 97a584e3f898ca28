"""Small real packages for tests: wheels, manifests and package files made of them."""

from __future__ import annotations

import base64
import gzip
import hashlib
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from capmart_core.canonical import canonical_bytes
from capmart_core.identifiers import digest_of
from capmart_core.manifest.models import Manifest
from capmart_core.package import PackedPackage, media_types, write_package

CODE = b"def add(a: int, b: int) -> int:\n    return a + b\n"
ACTION_CODE = b"""from capmart_component import action


@action(title_zh="\xe7\x9b\xb8\xe5\x8a\xa0", title_en="Add")
def add(a: int, b: int) -> int:
    return a + b
"""
RUNTIME = "python3.11-any"


def make_wheel(
    folder: Path,
    project: str = "acme_sum",
    version: str = "1.0.0",
    files: Mapping[str, bytes] | None = None,
    tag: str = "py3-none-any",
) -> Path:
    """A wheel as installers expect it, with RECORD."""
    contents = dict(files or {f"{project}.py": CODE})
    info = f"{project}-{version}.dist-info"
    pure = str(tag.endswith("any")).lower()
    contents[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n".encode()
    contents[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nRoot-Is-Purelib: {pure}\nTag: {tag}\n".encode()
    record = "".join(f"{name},sha256={_b64(data)},{len(data)}\n" for name, data in contents.items())
    contents[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{project}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
    return path


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def manifest_json(**changes: Any) -> dict[str, Any]:
    """A valid manifest of a small Python component, with some fields changed; None removes a field."""
    number = {"type": "integer"}
    value: dict[str, Any] = {
        "v": 1,
        "id": "acme/sum",
        "version": "1.0.0",
        "kind": "tool",
        "title": {"zh": "求和", "en": "Sum"},
        "summary": {"zh": "两数相加", "en": "Adds two numbers"},
        "provider": {"name": {"zh": "顶点", "en": "Acme"}, "contact": "support@acme.example"},
        "licence": "Apache-2.0",
        "delivery": {"type": "python", "entry": "acme_sum", "runtimes": [RUNTIME], "isolation": "isolated"},
        "taxonomy": {"subkind": "analysis", "industries": ["34"], "scenarios": ["production"]},
        "actions": [
            {
                "name": "add",
                "title": {"zh": "相加", "en": "Add"},
                "input": {
                    "type": "object",
                    "properties": {"a": number, "b": number},
                    "required": ["a", "b"],
                    "additionalProperties": False,
                },
                "output": number,
            }
        ],
        "examples": [{"name": "one and two", "action": "add", "input": {"a": 1, "b": 2}, "output": 3}],
    }
    value.update(changes)
    return {name: part for name, part in value.items() if part is not None}


def make_package(
    folder: Path, *, files: Mapping[str, bytes] | None = None, code: bytes = CODE, **changes: Any
) -> PackedPackage:
    """A package file of a small Python component; :data:`ACTION_CODE` as ``code`` makes one that runs."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for name, data in (files or {}).items():
        paths[name] = folder / "source" / name
        paths[name].parent.mkdir(parents=True, exist_ok=True)
        paths[name].write_bytes(data)
    listed = [
        {"path": name, "media_type": "text/csv", "digest": digest_of(data), "size": len(data)}
        for name, data in sorted((files or {}).items())
    ]
    manifest = Manifest.model_validate(manifest_json(files=listed, **changes))
    wheels = (
        {RUNTIME: [make_wheel(folder / "wheels", files={"acme_sum.py": code})]}
        if manifest.delivery.type == "python"
        else {}
    )
    path = folder / f"{manifest.component.name}-{manifest.version}.capmart.tar"
    return write_package(path, manifest, wheels=wheels, files=paths)


def make_image_layout(folder: Path, *, architectures: tuple[str, ...] = ("amd64",)) -> Path:
    """An OCI image layout of a tiny image; for several architectures, under one image index."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(data: bytes, media_type: str, **more: Any) -> dict[str, Any]:
        digest = digest_of(data)
        (blobs / digest.removeprefix("sha256:")).write_bytes(data)
        return {"mediaType": media_type, "digest": digest, "size": len(data), **more}

    layer_tar = folder / "layer.tar"
    with tarfile.open(layer_tar, "w") as tar:
        tar.addfile(tarfile.TarInfo("empty"))
    layer_data = layer_tar.read_bytes()
    layer_tar.unlink()
    # Packed, as in any registry: skopeo packs plain layers on the way and so changes their digests.
    layer = put(gzip.compress(layer_data, mtime=0), media_types.OCI_LAYER_GZIP)
    entries = []
    for architecture in architectures:
        config = {
            "architecture": architecture,
            "os": "linux",
            "config": {"Cmd": ["/bin/true"]},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(layer_data)]},
        }
        document = {
            "schemaVersion": 2,
            "mediaType": media_types.OCI_MANIFEST,
            "config": put(canonical_bytes(config), "application/vnd.oci.image.config.v1+json"),
            "layers": [layer],
        }
        platform = {"architecture": architecture, "os": "linux"}
        entries.append(put(canonical_bytes(document), media_types.OCI_MANIFEST, platform=platform))
    root = entries[0]
    if len(entries) > 1:
        index = {
            "schemaVersion": 2,
            "mediaType": media_types.OCI_INDEX,
            "manifests": entries,
        }
        root = put(canonical_bytes(index), media_types.OCI_INDEX)
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (folder / "index.json").write_bytes(canonical_bytes({"schemaVersion": 2, "manifests": [root]}))
    return folder
