"""The review report: what the center checked and measured, signed with its log key and kept beside the release.

Its digest goes into the log entry, so nobody can exchange it afterwards.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from capmart_core.canonical import canonical_bytes, parse_json
from capmart_core.errors import BlobNotFound, CapmartError
from capmart_core.identifiers import digest_of
from capmart_core.ports.blobs import BlobStore
from capmart_core.signing import Signer
from capmart_core.signing.dsse import pre_auth_encoding
from capmart_core.statements import Moment
from capmart_registry.hooks.subject import Finding, Measurement

REPORT_TYPE = "application/vnd.capmart.report.v1+json"
MAX_REPORT_BYTES = 4 << 20


class CheckedFinding(Finding):
    """A finding with the check that made it."""

    check: str


class ReviewReport(BaseModel):
    """What was checked, when, and what came of it.

    Attributes:
        center: origin of the center that checked.
        digest: of the package's index.
        config: digest of the manifest.
        checks: names of all that had a say.
        runner: what executed the examples; None when nothing did.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    v: int = 1
    center: str
    component: str
    version: str
    digest: str
    config: str
    checked: Moment
    checks: tuple[str, ...]
    runner: str | None = None
    findings: tuple[CheckedFinding, ...] = ()
    measurements: tuple[Measurement, ...] = ()


def store_report(blobs: BlobStore, report: ReviewReport, signer: Signer) -> str:
    """Sign the report as a DSSE envelope, store it and return its digest."""
    payload = canonical_bytes(report.model_dump(mode="json", exclude_none=True))
    signature = signer.sign(pre_auth_encoding(payload, REPORT_TYPE))
    envelope = {
        "payloadType": REPORT_TYPE,
        "payload": base64.b64encode(payload).decode("ascii"),
        "signatures": [{"keyid": signer.public.keyid, "sig": base64.b64encode(signature).decode("ascii")}],
    }
    data = canonical_bytes(envelope)
    digest = digest_of(data)
    blobs.put([data], digest, max_bytes=len(data))
    return digest


def load_report(blobs: BlobStore, digest: str) -> ReviewReport | None:
    """A report of this center's store; None when it is not here. Its digest is authentic by the log entry."""
    try:
        with blobs.open(digest) as stream:
            data = stream.read(MAX_REPORT_BYTES + 1)
    except BlobNotFound:
        return None
    try:
        envelope: dict[str, Any] = parse_json(data, what="report", max_bytes=MAX_REPORT_BYTES)
        payload = base64.b64decode(envelope["payload"], validate=True)
        return ReviewReport.model_validate(parse_json(payload, what="report", max_bytes=MAX_REPORT_BYTES))
    except (CapmartError, ValueError, KeyError, TypeError):
        return None  # a center of another kind wrote it


def bounded(findings: Sequence[CheckedFinding], limit: int = 500) -> tuple[CheckedFinding, ...]:
    """At most ``limit`` findings, the most severe first."""
    order = {"error": 0, "warning": 1, "info": 2}
    return tuple(sorted(findings, key=lambda finding: order[finding.severity])[:limit])
