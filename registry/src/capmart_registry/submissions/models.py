"""Tables of submissions, their findings and the jobs of the worker."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, Index, text
from sqlmodel import Field, SQLModel

from capmart_registry.db import UtcDateTime


class Submission(SQLModel, table=True):
    """A release that somebody wants listed. Rows stay, so that everybody can see what became of it.

    Attributes:
        id: opaque.
        envelope: the publisher's signed statement.
        digest: of the package's index.
        config: digest of the manifest.
        contents: every digest of the package, once.
        submitter: account that sent it.
        state: see :mod:`.states`.
        decided_by: account of the reviewer; None for automatic approval.
        decision: ``approved`` or ``rejected``.
        report: digest of the signed review report.
        log_index: of the entry, once it is listed.
        round: counts runs of the checks; findings belong to one.
    """

    __tablename__ = "submission"
    __table_args__ = (
        # At most one submission of a version can be under way: two publishers at once cannot both be.
        Index(
            "uq_submission_open",
            "component_id",
            "version",
            unique=True,
            sqlite_where=text("state IN ('draft', 'checking', 'in_review')"),
            postgresql_where=text("state IN ('draft', 'checking', 'in_review')"),
        ),
    )

    id: str = Field(primary_key=True, max_length=32)
    component_id: str = Field(max_length=129, index=True)
    version: str = Field(max_length=128)
    digest: str = Field(max_length=71)
    config: str = Field(max_length=71)
    envelope: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    contents: list[str] = Field(sa_column=Column(JSON, nullable=False))
    submitter: str = Field(max_length=64)
    organisation: str = Field(max_length=64, index=True)
    state: str = Field(max_length=16, index=True)
    round: int = Field(default=0)
    submitted_at: datetime = Field(sa_type=UtcDateTime)
    changed_at: datetime = Field(sa_type=UtcDateTime)
    decision: str | None = Field(default=None, max_length=16)
    decided_by: str | None = Field(default=None, max_length=64)
    decided_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    reason_zh: str | None = Field(default=None, max_length=20_000)
    reason_en: str | None = Field(default=None, max_length=20_000)
    report: str | None = Field(default=None, max_length=71)
    log_index: int | None = Field(default=None)


class SubmissionFinding(SQLModel, table=True):
    """What one check said in one run of the checks."""

    __tablename__ = "submission_finding"

    id: int | None = Field(default=None, primary_key=True)
    submission_id: str = Field(foreign_key="submission.id", max_length=32, index=True)
    round: int
    check: str = Field(max_length=100)
    severity: str = Field(max_length=16)
    file: str = Field(max_length=300)
    rule: str = Field(max_length=64)
    message_zh: str = Field(max_length=20_000)
    message_en: str = Field(max_length=20_000)
    next_zh: str = Field(max_length=20_000)
    next_en: str = Field(max_length=20_000)


class Job(SQLModel, table=True):
    """Work for ``capmart center worker``, done at least once whatever happens to the worker that began it.

    Attributes:
        kind: what to do.
        subject: what to do it to; one open job for each kind and subject.
        due: not before.
        lease: until when the worker that has it may be presumed alive; None when nobody has it.
        worker: who has it.
        tries: how often it was begun.
    """

    __tablename__ = "job"
    __table_args__ = (Index("uq_job_kind_subject", "kind", "subject", unique=True), Index("ix_job_due", "due"))

    id: int | None = Field(default=None, primary_key=True)
    kind: str = Field(max_length=32)
    subject: str = Field(max_length=200)
    due: datetime = Field(sa_type=UtcDateTime)
    lease: datetime | None = Field(default=None, sa_type=UtcDateTime)
    worker: str | None = Field(default=None, max_length=100)
    tries: int = Field(default=0)
    last_error: str | None = Field(default=None, max_length=500)
