"""The submission's way to a listed release: checks, review, decision."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from sqlalchemy import func
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from capmart_core.errors import CapmartError, NotAllowed, NotFound, StateConflict
from capmart_core.hooks import Plugins
from capmart_core.statements import EntryEnvelope
from capmart_core.text import Text
from capmart_core.times import now_utc
from capmart_core.versions import parse_version
from capmart_registry.accounts.principal import Principal
from capmart_registry.artifacts import service as artifacts
from capmart_registry.catalog import queries
from capmart_registry.catalog.models import Release
from capmart_registry.catalog.service import attach_manifest, set_content
from capmart_registry.center import Center
from capmart_registry.log import service as log
from capmart_registry.submissions import checking, jobs
from capmart_registry.submissions.bench import Runners
from capmart_registry.submissions.content import read_package
from capmart_registry.submissions.difference import ManifestDifference, compare
from capmart_registry.submissions.intake import CHECK, submit
from capmart_registry.submissions.jobs import Lease
from capmart_registry.submissions.models import Submission, SubmissionFinding
from capmart_registry.submissions.report import CheckedFinding, ReviewReport, load_report, store_report
from capmart_registry.submissions.states import Step, SubmissionState, after_step
from capmart_registry.submissions.views import FindingView, SubmissionList, SubmissionSummary, SubmissionView

_log = logging.getLogger("capmart.review")

MAX_TRIES = 5
MAX_PAGE = 100
_SEVERITIES = ("error", "warning", "info")

__all__ = [
    "approve",
    "check_again",
    "checks_of",
    "difference",
    "find",
    "list_submissions",
    "reject",
    "run_checks",
    "submit",
]


# Reading


def find(session: Session, center: Center, principal: Principal, submission_id: str) -> SubmissionView:
    """One submission, for its submitter's organisation and for reviewers.

    Raises:
        NotFound: there is none, or it is not theirs to see.
    """
    row = _visible(session, principal, submission_id)
    findings = _findings(session, row)
    return SubmissionView(
        **_summary_fields(row, sum(1 for one in findings if one.severity != "info")),
        config=row.config,
        manifest=queries.manifest_json(session, row.config) or _stored_manifest(center, row),
        findings=tuple(findings),
        decision=row.decision,
        reviewer=row.decided_by,
        reason=Text(zh=row.reason_zh, en=row.reason_en) if row.reason_zh and row.reason_en else None,
        decided_at=row.decided_at,
        previous_version=_previous(session, row),
        report=row.report,
        log_index=row.log_index,
    )


def list_submissions(
    session: Session, principal: Principal, *, state: str | None = None, offset: int = 0, limit: int = 50
) -> SubmissionList:
    """Submissions that ``principal`` may see: reviewers all of them, others those of their organisation.

    Args:
        session: to read with.
        principal: the caller.
        state: only those in this state.
        offset: how many to leave out.
        limit: the most in the answer.
    """
    mine = [] if principal.reviews else [Submission.organisation == principal.organisation]
    counted = session.exec(select(Submission.state, func.count()).where(*mine).group_by(Submission.state)).all()
    counts = {name: int(count) for name, count in counted}
    chosen = [*mine, *([Submission.state == state] if state else [])]
    limit = min(max(limit, 1), MAX_PAGE)
    # What waits for somebody comes first come, first served; what is done comes newest first.
    order = (
        col(Submission.submitted_at).asc()
        if state in {"draft", "checking", "in_review"}
        else (col(Submission.submitted_at).desc())
    )
    found = select(Submission).where(*chosen).order_by(order, col(Submission.id)).offset(offset).limit(limit)
    rows = list(session.exec(found))
    problems = _problem_counts(session, rows)
    total = counts.get(state, 0) if state else sum(counts.values())
    following = offset + len(rows)
    return SubmissionList(
        items=tuple(SubmissionSummary(**_summary_fields(row, problems.get(row.id, 0))) for row in rows),
        total=total,
        counts=counts,
        next=str(following) if rows and following < total else None,
    )


def difference(session: Session, center: Center, principal: Principal, submission_id: str) -> ManifestDifference:
    """How the submission's manifest differs from that of the highest version listed before it.

    Raises:
        NotFound: there is no such submission, or it is not theirs to see.
    """
    row = _visible(session, principal, submission_id)
    previous = _previous(session, row)
    if previous is None:
        return ManifestDifference(None, ())
    before = queries.find_release(session, row.component_id, previous).manifest
    after = queries.manifest_json(session, row.config) or _stored_manifest(center, row)
    return ManifestDifference(previous, compare(before, after) if before and after else ())


def checks_of(center: Center, report: str | None) -> tuple[CheckedFinding, ...]:
    """The findings in a signed report of this center's store; none when it is not here."""
    found = load_report(center.blobs, report) if report else None
    return () if found is None else found.findings


# Deciding


def approve(center: Center, principal: Principal, submission_id: str, comment: Text | None = None) -> SubmissionView:
    """List the release: log entry, catalog, tag and state, in one transaction.

    Raises:
        NotFound: no such submission.
        NotAllowed: the reviewer sent it themselves.
        StateConflict: it is not in review.
        KeyRevoked, VersionExists: the log does not accept it any more.
    """
    with center.db.write() as session:
        row = _visible(session, principal, submission_id)
        _check_other_hands(principal, row)
        row.decided_by = principal.account
        _list(session, center, row, comment)
    return _view(center, principal, submission_id)


def reject(center: Center, principal: Principal, submission_id: str, reason: Text) -> SubmissionView:
    """Refuse the submission; the version stays free for another one.

    Raises:
        NotFound: no such submission.
        NotAllowed: the reviewer sent it themselves.
        StateConflict: it is neither in review nor blocked by checks.
    """
    with center.db.write() as session:
        row = _visible(session, principal, submission_id)
        _check_other_hands(principal, row)
        _step(row, Step.REJECT)
        row.decided_by = principal.account
        _decide(row, "rejected", reason)
        session.add(row)
    _log.info("%s@%s rejected by %s", row.component_id, row.version, principal.account)
    return _view(center, principal, submission_id)


def check_again(center: Center, principal: Principal, submission_id: str) -> SubmissionView:
    """Run the checks once more, for example when the container engine is back.

    Raises:
        NotFound: there is no such submission, or it is not theirs to see.
        StateConflict: it is decided, or being checked, or another submission of its version is under way.
    """
    try:
        with center.db.write() as session:
            row = _visible(session, principal, submission_id)
            _step(row, Step.CHECK_AGAIN)
            session.add(row)
            jobs.enqueue(session, CHECK, row.id)
    except IntegrityError as error:
        raise StateConflict(
            what=f"submission {submission_id[:32]}",
            state="replaced by another submission of this version",
            action="check again",
            needed="the only one",
        ) from error
    return _view(center, principal, submission_id)


# The worker


def run_checks(center: Center, plugins: Plugins, runners: Runners, lease: Lease) -> None:
    """Do the job ``check``: run every check, keep what was found, and send the submission on its way.

    Raises:
        StateConflict: the lease ran out meanwhile; another worker does it.
    """
    with center.db.write() as session:
        row = session.get(Submission, lease.subject)
        if row is None or row.state not in (SubmissionState.DRAFT, SubmissionState.CHECKING):
            jobs.finish(session, lease)
            return
        _step(row, Step.START_CHECKS)
        row.round += 1
        session.add(row)
    report = _died(center, row) if lease.tries > MAX_TRIES else checking.check(center, plugins, runners, row)
    stored = store_report(center.blobs, report, center.signer)
    with center.db.write() as session:
        jobs.finish(session, lease)
        row = session.get_one(Submission, lease.subject)
        row.report = stored
        session.add_all(_finding_rows(row, report.findings))
        _step(row, Step.BLOCK if checking.blocks(report) else Step.PASS)
        session.add(row)
        session.flush()
        if row.state == SubmissionState.IN_REVIEW:
            _approve_by_policy(session, center, row)
    _log.info("%s@%s checked: %s", row.component_id, row.version, row.state)


def _approve_by_policy(session: Session, center: Center, row: Submission) -> None:
    """List it where the operator approved the namespace's submissions beforehand."""
    if row.component_id.partition("/")[0] not in center.settings.auto_approve:
        return
    try:
        with session.begin_nested():
            _list(session, center, row, None)
    except CapmartError as error:  # for example a key revoked a moment ago: a person looks at it
        _log.warning("automatic approval of %s@%s: %s", row.component_id, row.version, error)


def _list(session: Session, center: Center, row: Submission, comment: Text | None) -> None:
    """Everything that makes a release listed, inside the caller's transaction."""
    _step(row, Step.APPROVE)
    what = f"{row.component_id}@{row.version}"
    content = read_package(center.blobs, row.digest, what=what)
    row.log_index = log.append(center, session, EntryEnvelope.model_validate(row.envelope), report=row.report)
    attach_manifest(session, row.config, content.layout.config_bytes)
    release = session.exec(
        select(Release).where(Release.component_id == row.component_id, Release.version == row.version)
    ).one()
    set_content(session, release, content.digests)
    artifacts.set_release_tag(session, row.component_id, row.version, row.digest)
    _decide(row, "approved", comment)
    session.add(row)
    session.flush()
    _log.info("%s listed at log index %s by %s", what, row.log_index, row.decided_by or "policy")


# Details


def _visible(session: Session, principal: Principal, submission_id: str) -> Submission:
    row = session.get(Submission, submission_id[:32])
    if row is None or not (principal.reviews or row.organisation == principal.organisation):
        raise NotFound(what=f"submission {submission_id[:32]}")
    return row


def _view(center: Center, principal: Principal, submission_id: str) -> SubmissionView:
    with center.db.read() as session:
        return find(session, center, principal, submission_id)


def _check_other_hands(principal: Principal, row: Submission) -> None:
    if row.submitter == principal.account:
        raise NotAllowed(action="decide on your own submission", needed="another reviewer")


def _step(row: Submission, step: Step) -> None:
    what = f"submission {row.id} of {row.component_id}@{row.version}"
    row.state = str(after_step(SubmissionState(row.state), step, what=what))
    row.changed_at = now_utc()


def _decide(row: Submission, decision: str, reason: Text | None) -> None:
    row.decision, row.decided_at = decision, now_utc()
    row.reason_zh, row.reason_en = (reason.zh, reason.en) if reason else (None, None)


def _previous(session: Session, row: Submission) -> str | None:
    """The highest listed version below the submission's, else the highest one."""
    found = select(Release.version).where(Release.component_id == row.component_id, Release.version != row.version)
    versions = sorted(map(parse_version, session.exec(found)))
    mine = parse_version(row.version)
    below = [version for version in versions if version < mine]
    chosen = below[-1] if below else versions[-1] if versions else None
    return None if chosen is None else str(chosen)


def _findings(session: Session, row: Submission) -> list[FindingView]:
    found = select(SubmissionFinding).where(
        SubmissionFinding.submission_id == row.id, SubmissionFinding.round == row.round
    )
    rows = sorted(session.exec(found), key=lambda one: (_SEVERITIES.index(one.severity), one.id or 0))
    return [
        FindingView(
            check=one.check,
            severity=one.severity,
            file=one.file,
            rule=one.rule,
            message=Text(zh=one.message_zh, en=one.message_en),
            next=Text(zh=one.next_zh, en=one.next_en),
        )
        for one in rows
    ]


def _problem_counts(session: Session, rows: Iterable[Submission]) -> dict[str, int]:
    rounds = {row.id: row.round for row in rows}
    found = (
        select(SubmissionFinding.submission_id, SubmissionFinding.round, func.count())
        .where(col(SubmissionFinding.submission_id).in_(rounds), SubmissionFinding.severity != "info")
        .group_by(col(SubmissionFinding.submission_id), col(SubmissionFinding.round))
    )
    return {name: int(count) for name, round_, count in session.exec(found) if rounds[name] == round_}


def _finding_rows(row: Submission, findings: Iterable[CheckedFinding]) -> list[SubmissionFinding]:
    return [
        SubmissionFinding(
            submission_id=row.id,
            round=row.round,
            check=finding.check,
            severity=finding.severity,
            file=finding.file,
            rule=finding.rule,
            message_zh=finding.message.zh,
            message_en=finding.message.en,
            next_zh=finding.next.zh,
            next_en=finding.next.en,
        )
        for finding in findings
    ]


def _summary_fields(row: Submission, problems: int) -> dict[str, object]:
    return {
        "id": row.id,
        "component": row.component_id,
        "version": row.version,
        "digest": row.digest,
        "state": row.state,
        "submitter": row.submitter,
        "organisation": row.organisation,
        "submitted_at": row.submitted_at,
        "problems": problems,
    }


def _stored_manifest(center: Center, row: Submission) -> dict[str, object] | None:
    try:
        content = read_package(center.blobs, row.digest, what=row.component_id)
    except CapmartError:
        return None
    return content.layout.manifest.model_dump(mode="json", exclude_none=True)


def _died(center: Center, row: Submission) -> ReviewReport:
    return ReviewReport(
        center=center.origin,
        component=row.component_id,
        version=row.version,
        digest=row.digest,
        config=row.config,
        checked=now_utc(),
        checks=(),
        findings=(checking.died(MAX_TRIES),),
    )
