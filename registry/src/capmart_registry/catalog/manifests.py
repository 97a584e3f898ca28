"""Reading manifests that reached a center."""

from __future__ import annotations

from pydantic import ValidationError

from capmart_core.canonical import parse_json
from capmart_core.errors import InvalidJson, InvalidManifest
from capmart_core.manifest import MAX_MANIFEST_BYTES, Manifest, problems_of


def parse_manifest(data: bytes) -> Manifest:
    """Read a manifest by its model alone.

    Codes that this center's taxonomies do not know are let through: another center may be newer. The check ``manifest``
    reports them where a submission is reviewed.

    Raises:
        InvalidManifest: it is none; lists every problem.
    """
    try:
        return Manifest.model_validate(parse_json(data, what="manifest.json", max_bytes=MAX_MANIFEST_BYTES))
    except (ValidationError, InvalidJson) as error:
        problems = problems_of(data)
        raise InvalidManifest(count=len(problems), file="manifest.json", problems=problems) from error
