"""What the review desk and a submitter see: plain typed objects."""

from __future__ import annotations

from pydantic import Field

from capmart_core.text import Text
from capmart_registry.catalog.views import Json, UtcMoment, View


class FindingView(View):
    """What one check said.

    Attributes:
        severity: ``error``, ``warning`` or ``info``.
    """

    check: str
    severity: str
    file: str
    rule: str
    message: Text
    next: Text


class SubmissionSummary(View):
    """One row of the queue.

    Attributes:
        problems: findings of severity ``error`` and ``warning``.
    """

    id: str
    component: str
    version: str
    digest: str
    state: str
    submitter: str
    organisation: str
    submitted_at: UtcMoment
    problems: int = 0


class SubmissionList(View):
    """One page of the queue, the longest waiting first."""

    items: tuple[SubmissionSummary, ...]
    total: int
    counts: dict[str, int]
    next: str | None = None


class SubmissionView(SubmissionSummary):
    """One submission with everything a decision needs.

    Attributes:
        findings: of the latest run of the checks, the most severe first.
        decision: ``approved`` or ``rejected``; None while nobody decided.
        reviewer: account that decided; None for automatic approval.
        reason: given with the decision; ``reasons`` in JSON.
        previous_version: the highest version listed before, with which it is compared.
        report: digest of the signed review report.
        log_index: of its entry, once it is listed.
    """

    config: str
    manifest: Json | None = None
    findings: tuple[FindingView, ...] = ()
    decision: str | None = None
    reviewer: str | None = None
    reason: Text | None = Field(default=None, serialization_alias="reasons")
    decided_at: UtcMoment | None = None
    previous_version: str | None = None
    report: str | None = None
    log_index: int | None = None
