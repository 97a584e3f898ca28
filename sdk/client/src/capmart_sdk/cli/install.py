"""``capmart install | verify``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from capmart_sdk.cli.options import AsJson, Center, NodeDir, Yes, open_center
from capmart_sdk.cli.views import permission_lines
from capmart_sdk.cli.wording import state_name
from capmart_sdk.console import confirm, language, out, out_json, out_table, say, say_table, t, transfer_progress, tt
from capmart_sdk.node import Node, Verification
from capmart_sdk.node.install import Ready

REFUSED_EXIT = 3
NOT_AGREED_EXIT = 1


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(
        "install",
        help=t(
            "Install components with everything they need, verified against the logs of trusted centers",
            "安装组件及其依赖，并依据受信任中心的日志逐项校验",
        ),
    )(install)
    app.command(
        "verify",
        help=t(
            "Verify everything installed again: content, place in the log, signature, state",
            "重新校验已安装的全部组件：内容、日志、签名、状态",
        ),
    )(verify)


def install(
    components: Annotated[
        list[str], typer.Argument(metavar="ID[@RANGE]…", help=t("For example acme/oee@^1", "例如 acme/oee@^1"))
    ],
    center: Center = None,
    node: NodeDir = None,
    *,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Resolve, verify, show, ask, fetch, unpack, lock."""
    with open_center(center) as client, Node(node, language=language()) as here, transfer_progress() as progress:
        task = progress.add_task(t("Fetching", "下载"), total=None, visible=False)

        def agree(ready: Sequence[Ready]) -> bool:
            progress.stop()
            _show_ready(ready)
            agreed = confirm(t("Install this?", "是否安装？"), yes=yes)
            if agreed:
                progress.start()
                progress.update(task, total=sum(each.missing_bytes for each in ready), visible=True)
            return agreed

        done = here.install(
            components,
            client,
            agree=agree,
            on_synced=_say_synced,
            on_bytes=lambda size: progress.update(task, advance=size),
        )
        path = here.path
    if not done:
        say(t("Nothing was installed.", "未安装任何组件。"))
        raise typer.Exit(NOT_AGREED_EXIT)
    if as_json:
        out_json([entry.model_dump(mode="json") for entry in done])
        return
    for entry in done:
        out(t("Installed {name} in {path}", "已安装 {name}（{path}）", name=entry.name, path=path))


def _say_synced(origin: str, before: int, now: int) -> None:
    say(
        t(
            "Log of {origin}: {new} new entries, {now} in all, signature and history verified",
            "{origin} 的日志：新增 {new} 条，共 {now} 条，签名与历史校验通过",
            origin=origin,
            new=now - before,
            now=now,
        )
    )


def _show_ready(ready: Sequence[Ready]) -> None:
    columns = (
        t("Component", "组件"),
        t("Title", "名称"),
        t("Home", "归属"),
        t("Verified", "已校验"),
        t("To fetch", "待下载"),
    )
    say_table(columns, (_ready_row(each) for each in ready))
    for each in ready:
        # A line of its own: what a person agrees to must not be folded into a narrow cell.
        may = permission_lines(each.release.manifest.permissions) or [t("nothing beyond computing", "仅计算")]
        say(t("{name} may: {what}", "{name} 的权限：{what}", name=each.release.name, what="; ".join(may)))
        if each.release.state != "listed":
            say(f"{each.release.name}: {state_name(str(each.release.state))}", style="bold yellow")


def _ready_row(ready: Ready) -> tuple[str, ...]:
    published, manifest = ready.release.published, ready.release.manifest
    verified = t(
        "entry {index} is in the log; signed by key {key}…; manifest {config}…",
        "日志第 {index} 条；密钥 {key}… 签名；清单 {config}…",
        index=published.index,
        key=published.keyid[:12],
        config=published.config.removeprefix("sha256:")[:12],
    )
    return ready.release.name, tt(manifest.title), published.origin, verified, f"{ready.missing_bytes:,} B"


def verify(
    center: Center = None,
    node: NodeDir = None,
    *,
    offline: Annotated[
        bool,
        typer.Option("--offline", help=t("Use no network: the logs as last followed", "不联网：使用上次同步的日志")),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Verify it all; the exit code is 3 when anything fails."""
    with Node(node, language=language()) as here:
        if offline or not here.lock().components:
            found = here.verify()
        else:
            with open_center(center) as client:
                found = here.verify(client)
    if as_json:
        out_json([_verification_json(each) for each in found])
    else:
        _show_verified(found)
        if not found:
            say(t("Nothing is installed here, so nothing was verified.", "尚未安装任何组件，未核验任何内容。"))
    if not all(each.ok for each in found):
        raise typer.Exit(REFUSED_EXIT)


def _verification_json(found: Verification) -> dict[str, object]:
    return {
        "id": found.component.id,
        "version": found.component.version,
        "digest": found.component.digest,
        "ok": found.ok,
        "passed": list(found.passed),
        "state": str(found.state) if found.state else None,
        "reason": found.reason.model_dump() if found.reason else None,
        "errors": [{"code": error.code, "message": error.message(language())} for error in found.errors],
    }


def _show_verified(found: Sequence[Verification]) -> None:
    names = {
        "content": t("Content", "内容"),
        "log": t("In the log", "日志"),
        "signature": t("Signature", "签名"),
    }
    rows = (
        (
            each.component.name,
            *(t("ok", "通过") if step in each.passed else t("FAILED", "未通过") for step in names),
            state_name(str(each.state)) if each.state else t("not in the log", "不在日志中"),
        )
        for each in found
    )
    out_table((t("Component", "组件"), *names.values(), t("State", "状态")), rows)
    for each in found:
        for error in each.errors:
            say(f"{each.component.name}: {error.message(language())} ({error.code})", style="bold red")
            if advice := error.advice(language()):
                say(advice)
        if each.ok and each.state and each.reason:
            say(f"{each.component.name}: {state_name(str(each.state))}: {tt(each.reason)}", style="bold yellow")
