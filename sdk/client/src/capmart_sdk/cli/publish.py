"""``capmart publish | submissions | status``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from capmart_core.errors import VersionExists
from capmart_core.package import PackageReader
from capmart_core.signing import Signer
from capmart_sdk.cli.options import AsJson, Center, open_center
from capmart_sdk.cli.wording import decision_name, severity_name, state_name
from capmart_sdk.client import CenterClient, Submission
from capmart_sdk.config import Home
from capmart_sdk.console import out, out_json, out_table, say, t, transfer_progress, tt
from capmart_sdk.keys import KeyStore
from capmart_sdk.publish import DECIDED, Published, publish, wait_for_review

FAILED_EXIT = 3


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(
        "publish",
        help=t("Send a package to a center and hand it in for review", "将组件包发送到能力中心并提交评审"),
    )(publish_package)
    app.command("submissions", help=t("List your submissions and their states", "列出您的提交及其状态"))(submissions)
    app.command("status", help=t("Show one submission with its findings", "查看一项提交及其检查结果"))(status)


def publish_package(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help=t("Package written by capmart pack", "capmart pack 生成的组件包"),
        ),
    ],
    center: Center = None,
    key: Annotated[
        str | None,
        typer.Option(
            "--key",
            "-k",
            metavar="NAME",
            help=t("Key to sign with (default: the only one)", "签名密钥（默认：唯一的密钥）"),
        ),
    ] = None,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", min=1, help=t("How long to wait", "最长等待秒数"))] = 600,
    *,
    wait: Annotated[
        bool | None,
        typer.Option(
            "--wait/--no-wait",
            help=t(
                "Wait until it is listed or refused / not at all (default: until its checks are done)",
                "等待直至上架或被拒 / 不等待（默认：等待检查完成）",
            ),
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Push, sign, submit, and stay until the checks are done; with ``--wait``, until the decision."""
    store = KeyStore(Home.default().keys)
    signer = store.signer(key or store.only())
    with open_center(center) as client:
        try:
            published = _publish(client, file, signer)
        except VersionExists as error:
            if not _is_the_same(file, error):
                raise
            _say_already_listed(file, as_json=as_json)
            return
        submission = published.submission
        say(
            t(
                "{sent} parts sent ({size:,} bytes), {there} were there already.",
                "已发送 {sent} 项（{size:,} 字节），{there} 项已存在。",
                sent=published.pushed.sent,
                size=published.pushed.sent_bytes,
                there=published.pushed.there,
            )
        )
        if wait is not False:
            _say_state(submission)
            until = DECIDED if wait else DECIDED | {"in_review"}
            submission = wait_for_review(client, submission, until=until, timeout_s=timeout, on_state=_say_state)
        _show(submission, as_json=as_json)
    if submission.state in {"rejected", "failed"}:
        raise typer.Exit(FAILED_EXIT)


def _publish(client: CenterClient, file: Path, signer: Signer) -> Published:
    with transfer_progress() as progress:
        task = progress.add_task(t("Sending", "发送"), total=None)

        def opened(package: PackageReader) -> None:
            progress.update(task, total=package.layout.size, description=f"{package.layout.manifest.id}")

        return publish(
            client, file, signer, on_opened=opened, on_progress=lambda size: progress.update(task, advance=size)
        )


def _is_the_same(file: Path, error: VersionExists) -> bool:
    with PackageReader.open(file) as package:
        return package.layout.digest == error.data.get("digest")


def _say_already_listed(file: Path, *, as_json: bool) -> None:
    with PackageReader.open(file) as package:
        manifest, digest = package.layout.manifest, package.layout.digest
    if as_json:
        out_json({"component": manifest.id, "version": manifest.version, "digest": digest, "state": "listed"})
        return
    out(
        t(
            "{release} is listed already with exactly this content; nothing to do.",
            "{release} 已以完全相同的内容上架，无需操作。",
            release=f"{manifest.id}@{manifest.version}",
        )
    )


def submissions(
    center: Center = None,
    state: Annotated[str | None, typer.Option(metavar="STATE", help=t("Only in this state", "仅此状态"))] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """List what this token may see."""
    with open_center(center) as client:
        rows = client.submissions(state)
    if as_json:
        out_json([row.model_dump(mode="json") for row in rows])
        return
    columns = ("ID", t("Release", "版本"), t("State", "状态"), t("Digest", "摘要"))
    out_table(columns, ((row.id, f"{row.component}@{row.version}", state_name(row.state), row.digest) for row in rows))


def status(
    submission: Annotated[str, typer.Argument(metavar="ID", help=t("Of the submission", "提交编号"))],
    center: Center = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show one."""
    with open_center(center) as client:
        _show(client.submission(submission), as_json=as_json)


def _say_state(submission: Submission) -> None:
    say(t("State: {state}", "状态：{state}", state=state_name(submission.state)))


def _show(submission: Submission, *, as_json: bool) -> None:
    if as_json:
        out_json(submission.model_dump(mode="json"))
        return
    out(t("Submission  {id}", "提交编号  {id}", id=submission.id))
    out(t("Release     {release}", "版本  {release}", release=f"{submission.component}@{submission.version}"))
    out(t("State       {state}", "状态  {state}", state=state_name(submission.state)), style="bold")
    if submission.decision:
        out(t("Decision    {decision}", "决定  {decision}", decision=decision_name(submission.decision)))
    if submission.reason:
        out(t("Reason      {reason}", "理由  {reason}", reason=tt(submission.reason)))
    if submission.log_index is not None:
        out(t("Log index   {index}", "日志序号  {index}", index=submission.log_index))
    if submission.findings:
        columns = (
            t("Severity", "级别"),
            t("Check", "检查"),
            t("Where", "位置"),
            t("Finding", "发现"),
            t("Next step", "下一步"),
        )
        rows = (
            (
                severity_name(row.severity),
                row.check,
                f"{row.file or ''} {row.rule or ''}".strip(),
                tt(row.message),
                tt(row.next),
            )
            for row in submission.findings
        )
        out_table(columns, rows)
