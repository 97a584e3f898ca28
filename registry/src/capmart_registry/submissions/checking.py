"""One run of the checks over one submission, by the worker."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlmodel import col, select

from capmart_core.errors import CapmartError
from capmart_core.hooks import Plugins
from capmart_core.signing import open_statement
from capmart_core.statements import EntryEnvelope, Publish
from capmart_core.text import Text
from capmart_core.times import now_utc
from capmart_core.versions import Range
from capmart_registry.catalog.models import LedgerKey, Release
from capmart_registry.catalog.queries import manifest_json
from capmart_registry.center import Center
from capmart_registry.db import Database
from capmart_registry.hooks.subject import CatalogLookup, CheckSubject, Finding, KnownRelease, Measurement
from capmart_registry.submissions.bench import Runners, WorkerBench
from capmart_registry.submissions.content import read_package
from capmart_registry.submissions.models import Submission
from capmart_registry.submissions.report import CheckedFinding, ReviewReport, bounded

_log = logging.getLogger("capmart.worker")

MAX_FINDINGS_PER_CHECK = 200


@dataclass(frozen=True)
class DatabaseLookup(CatalogLookup):
    """The catalog as checks may ask it."""

    db: Database
    origin: str

    def releases(self, component: str) -> tuple[KnownRelease, ...]:
        """See :class:`CatalogLookup`."""
        found = select(Release).where(Release.component_id == component).order_by(col(Release.sort_key).desc())
        with self.db.read() as session:
            return tuple(KnownRelease(row.version, row.state, row.digest) for row in session.exec(found))

    def dependencies(self, component: str, version: str) -> tuple[tuple[str, Range], ...]:
        """See :class:`CatalogLookup`."""
        found = select(Release.config).where(Release.component_id == component, Release.version == version)
        with self.db.read() as session:
            config = session.exec(found).first()
            manifest = None if config is None else manifest_json(session, config)
        asked = () if manifest is None else manifest.get("dependencies", ())
        return tuple((one["id"], Range.parse(one["range"])) for one in asked)

    def key(self, namespace: str, keyid: str) -> str | None:
        """See :class:`CatalogLookup`."""
        with self.db.read() as session:
            row = session.get(LedgerKey, (namespace, keyid))
        return None if row is None or row.revoked_from is not None else row.key


def check(center: Center, plugins: Plugins, runners: Runners, submission: Submission) -> ReviewReport:
    """Run every check and say what came of it. Writes nothing, so it can be done again at any time."""
    envelope = EntryEnvelope.model_validate(submission.envelope)
    statement, _, _ = open_statement(envelope)
    assert isinstance(statement, Publish)  # noqa: S101 - nothing else is taken as a submission
    what = f"{submission.component_id}@{submission.version}"
    findings: list[CheckedFinding] = []
    measurements: list[Measurement] = []
    names: list[str] = []
    used: str | None = None
    try:
        content = read_package(center.blobs, submission.digest, what=what)
    except CapmartError as error:
        findings.append(_checked("content", _content_gone(error)))
    else:
        bench = WorkerBench(runners, content.layout, center.blobs, work_folder(center))
        subject = CheckSubject(
            statement=statement,
            envelope=envelope,
            layout=content.layout,
            sizes=content.sizes,
            blobs=center.blobs,
            catalog=DatabaseLookup(center.db, center.origin),
            bench=bench,
        )
        for outcome in plugins.call("capmart_check", subject=subject):
            names.append(outcome.plugin)
            said, measured = _collect(outcome.plugin, outcome.value, outcome.error)
            findings += said
            measurements += measured
        used = bench.used
    return ReviewReport(
        center=center.origin,
        component=submission.component_id,
        version=submission.version,
        digest=submission.digest,
        config=submission.config,
        checked=now_utc(),
        checks=tuple(names),
        runner=used,
        findings=bounded(findings),
        measurements=tuple(measurements),
    )


def blocks(report: ReviewReport) -> bool:
    """Whether the submission may not be listed as it is."""
    return any(finding.severity == "error" for finding in report.findings)


def work_folder(center: Center) -> Path:
    """Where the worker unpacks what it runs."""
    return center.settings.data.absolute() / "work"


def died(tries: int) -> CheckedFinding:
    """What is said of a submission whose checks took several workers down with them."""
    return _checked(
        "worker",
        Finding(
            severity="error",
            file="package",
            rule="checks_died",
            message=Text(
                zh=f"检测进程在检测该组件时 {tries} 次异常终止",
                en=f"the process that checks it ended {tries} times while doing so",
            ),
            next=Text(
                zh="请运营方查看 worker 日志；发布者检查组件的资源用量后重新提交",
                en="The operator looks at the worker's log; the publisher looks at what it uses and submits again",
            ),
        ),
    )


def _collect(
    plugin: str, value: Iterable[Finding | Measurement] | None, error: Exception | None
) -> tuple[list[CheckedFinding], list[Measurement]]:
    """What one check said. A generator fails only while it is read, so it is read here."""
    if error is not None:
        return [_checked(plugin, _check_failed(plugin, error))], []
    findings: list[CheckedFinding] = []
    measurements: list[Measurement] = []
    try:
        for answer in value or ():
            if isinstance(answer, Measurement):
                measurements.append(answer)
            elif len(findings) < MAX_FINDINGS_PER_CHECK:
                findings.append(_checked(plugin, answer))
    except Exception as failure:  # noqa: BLE001 - a decider that fails means no, whatever it raised
        _log.warning("check %s failed: %r", plugin, failure)
        findings.append(_checked(plugin, _check_failed(plugin, failure)))
    return findings, measurements


def _checked(check_name: str, finding: Finding) -> CheckedFinding:
    return CheckedFinding(check=check_name, **_fields(finding))


def _fields(finding: Finding) -> dict[str, Any]:
    return {name: getattr(finding, name) for name in Finding.model_fields}


def _check_failed(plugin: str, error: Exception) -> Finding:
    reason = error.message("en") if isinstance(error, CapmartError) else type(error).__name__
    reason_zh = error.message("zh") if isinstance(error, CapmartError) else type(error).__name__
    return Finding(
        severity="error",
        file="package",
        rule="check_failed",
        message=Text(
            zh=f"检测项 {plugin} 自身出错，无法给出结论：{reason_zh}",
            en=f"check {plugin} failed itself and could not decide: {reason}",
        ),
        next=Text(
            zh="请运营方查看 worker 日志并修复该检测项，然后重新检测",
            en="The operator looks at the worker's log, mends that check and has it checked again",
        ),
    )


def _content_gone(error: CapmartError) -> Finding:
    return Finding(
        severity="error",
        file="package",
        rule="content_missing",
        message=Text(zh=error.message("zh"), en=error.message("en")),
        next=Text(zh="请重新提交：capmart publish", en="Submit it again: capmart publish"),
    )
