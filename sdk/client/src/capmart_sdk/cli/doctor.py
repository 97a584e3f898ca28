"""``capmart doctor``: what this machine gives, and what to do about what is missing."""

from __future__ import annotations

import typer

from capmart_core.errors import Unavailable
from capmart_core.ports.runner import Runner
from capmart_sdk.cli.options import AsJson, NodeDir
from capmart_sdk.config import Home
from capmart_sdk.console import out_json, out_table, say, t, tt, working
from capmart_sdk.doctor import Check, Level, examine
from capmart_sdk.node import Node
from capmart_sdk.runners import open_runner
from capmart_sdk.trust import TrustStore


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "doctor",
        help=t(
            "Examine this machine: engine, isolation, limits, centers; exit code 6 when components cannot run",
            "检查本机：容器引擎、隔离、限额与能力中心；组件无法运行时退出码为 6",
        ),
    )(doctor)


def doctor(node: NodeDir = None, *, as_json: AsJson = False) -> None:
    """Run one tiny component for real, and ask every trusted center."""
    opened: list[Runner] = []

    def runner() -> Runner:
        opened.append(open_runner())
        return opened[0]

    trusted = TrustStore(Home.default().trust).origins()
    try:
        with Node(node) as here, working(t("Examining", "正在检查")):
            checks = list(examine(runner, here.path, trusted))
    finally:
        for one in opened:
            one.close()
    if as_json:
        out_json([_as_json(check) for check in checks])
    else:
        _show(checks)
    if any(check.level is Level.FAIL for check in checks):
        raise typer.Exit(Unavailable.exit_code)


def _show(checks: list[Check]) -> None:
    marks = {Level.OK: "✓", Level.WARN: "!", Level.FAIL: "✗"}
    rows = [(marks[check.level], tt(check.title), tt(check.found)) for check in checks]
    out_table(("", t("What", "项目"), t("Found", "结果")), rows)
    for check in checks:
        if check.advice is not None:
            say(f"{marks[check.level]} {tt(check.title)}: {tt(check.advice)}")


def _as_json(check: Check) -> dict[str, object]:
    return {
        "name": check.name,
        "level": str(check.level),
        "title": check.title.model_dump(),
        "found": check.found.model_dump(),
        "advice": check.advice.model_dump() if check.advice else None,
    }
