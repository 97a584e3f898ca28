"""What a package is made of, as a CycloneDX document that says the same for the same parts."""

from __future__ import annotations

import email.parser
import hashlib
import json
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from capmart_core.manifest.models import Manifest
from capmart_core.package import WheelName

_MAX_METADATA = 1 << 20


def make_sbom(manifest: Manifest, wheels: Iterable[Path]) -> dict[str, Any]:
    """The bill of materials of a component and the third-party wheels it brings.

    Args:
        manifest: what the component says of itself.
        wheels: third-party wheels, of all runtimes.
    """
    own = Component(
        name=manifest.component.name,
        group=manifest.component.namespace,
        version=manifest.version,
        type=ComponentType.APPLICATION,
        bom_ref=f"{manifest.id}@{manifest.version}",
        licenses=[LicenseFactory().make_from_string(manifest.licence)],
        hashes=[],
    )
    parts = [_part(path) for path in sorted({path.name: path for path in wheels}.values(), key=lambda path: path.name)]
    for file in manifest.files:
        digest = HashType(alg=HashAlgorithm.SHA_256, content=file.digest.removeprefix("sha256:"))
        reference = f"file:{file.path}"
        parts.append(Component(name=file.path, type=ComponentType.FILE, bom_ref=reference, hashes=[digest]))
    bom = Bom(components=parts)
    bom.metadata.component = own
    bom.register_dependency(own, parts)
    document: dict[str, Any] = json.loads(JsonV1Dot6(bom).output_as_string())
    # A serial number and a time would differ from one build of the same parts to the next.
    document.pop("serialNumber", None)
    document["metadata"].pop("timestamp", None)
    return document


def _part(path: Path) -> Component:
    name = WheelName.parse(path.name)
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    licence = _licence(path)
    return Component(
        name=name.project,
        version=name.version,
        type=ComponentType.LIBRARY,
        bom_ref=path.name,
        purl=PackageURL("pypi", None, name.project, name.version),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
        licenses=[LicenseFactory().make_from_string(licence)] if licence else [],
    )


def _licence(path: Path) -> str | None:
    """The SPDX expression in a wheel's metadata (core metadata 2.4); None where it has none."""
    with zipfile.ZipFile(path) as archive:
        entry = next((name for name in archive.namelist() if name.endswith(".dist-info/METADATA")), None)
        if entry is None:
            return None
        with archive.open(entry) as stream:
            headers = email.parser.BytesHeaderParser().parsebytes(stream.read(_MAX_METADATA))
    value = headers.get("License-Expression")
    return value.strip()[:200] if isinstance(value, str) and value.strip() else None
