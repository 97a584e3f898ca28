"""``capmart new``, ``capmart check`` and ``capmart pack``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from capmart_core.identifiers import ComponentId
from capmart_core.package import PackageReader
from capmart_sdk.author.check import CheckResult, examine
from capmart_sdk.author.pack import pack_project
from capmart_sdk.author.project import raise_problems
from capmart_sdk.author.runners import opened_when_needed
from capmart_sdk.author.scaffold import KINDS, Template, new_project, templates
from capmart_sdk.author.trial import Trial
from capmart_sdk.console import out, out_json, out_table, say, t, working

Folder = Annotated[
    Path,
    typer.Argument(metavar="DIR", file_okay=False, help=t("Folder with capmart.toml", "含 capmart.toml 的项目目录")),
]
AsJson = Annotated[bool, typer.Option("--json", help=t("Print JSON for a program", "输出供程序读取的 JSON"))]
RunnerName = Annotated[
    str | None,
    typer.Option(
        "--runner",
        metavar="NAME",
        envvar="CAPMART_RUNNER",
        help=t(
            "docker or process (default: docker where an engine answers)",
            "docker 或 process（默认：有引擎时用 docker）",
        ),
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("new", help=t("Start a new component from a template", "由模板新建组件项目"))(new)
    app.command("check", help=t("Check a project as a center would", "按能力中心的要求检查项目"))(check)
    app.command("pack", help=t("Pack a project for publishing", "打包项目以供发布"))(pack)


def new(
    component: Annotated[
        str | None, typer.Argument(metavar="NAMESPACE/NAME", help=t("Id of the component", "组件标识"))
    ] = None,
    *,
    kind: Annotated[
        str | None,
        typer.Option(
            "--kind", metavar="KIND", help=t("knowledge, tool or application", "knowledge、tool 或 application")
        ),
    ] = None,
    delivery: Annotated[
        str | None,
        typer.Option("--delivery", metavar="DELIVERY", help=t("python, image or files", "python、image 或 files")),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--dir", metavar="DIR", help=t("Where to make it (default: ./NAME)", "项目目录（默认：./NAME）")),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Ask for what the flags do not say, and make a project whose own tests pass."""
    offered = templates()
    kinds = [name for name in KINDS if any(entry.kind == name for entry in offered)]
    kind = kind or _ask(t("Kind", "类型"), kinds)
    deliveries = [entry.delivery for entry in offered if entry.kind == kind]
    delivery = delivery or _ask(t("Delivery", "交付方式"), deliveries)
    text = component or typer.prompt(t("Id (namespace/name)", "标识（命名空间/名称）"), err=True)
    parsed = ComponentId.parse(text if "/" in text else f"local/{text}")
    made = new_project(folder or Path(parsed.name), parsed, Template(delivery, kind))
    if as_json:
        out_json({"id": str(parsed), "kind": kind, "delivery": delivery, "folder": str(made)})
        return
    out(t("Made {id} in {folder}", "已在 {folder} 新建 {id}", id=parsed, folder=made))
    say(
        t(
            "Next: edit capmart.toml and the code, then  cd {folder} && pytest && capmart check && capmart pack",
            "下一步：编辑 capmart.toml 与代码，然后  cd {folder} && pytest && capmart check && capmart pack",
            folder=made,
        )
    )


def check(
    folder: Folder = Path(),
    *,
    static: Annotated[
        bool, typer.Option("--static", help=t("Read the files only; run no code", "只读取文件，不运行代码"))
    ] = False,
    runner: RunnerName = None,
    as_json: AsJson = False,
) -> None:
    """Name everything that a center would refuse; run the examples in the sandbox."""
    with (
        opened_when_needed(runner) as source,
        working(t("Checking {name}", "正在检查 {name}", name=folder.resolve().name)),
    ):
        result = examine(folder, None if static else source)
    if as_json:
        out_json(_check_json(result))
        if result.problems:
            raise typer.Exit(2)
        return
    if result.trials:
        _show_trials(result.trials)
    if result.problems:
        raise_problems(folder, list(result.problems))
    out(t("No problems found", "未发现问题"), style="green")


def pack(
    folder: Folder = Path(),
    *,
    destination: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="PATH",
            help=t("Folder or .tar file to write (default: DIR/dist)", "输出目录或 .tar 文件（默认：DIR/dist）"),
        ),
    ] = None,
    runner: RunnerName = None,
    as_json: AsJson = False,
) -> None:
    """Pack a project; a Python component is described in the sandbox, never imported here."""
    with (
        opened_when_needed(runner) as source,
        working(t("Packing {name}", "正在打包 {name}", name=folder.resolve().name)),
    ):
        packed = pack_project(folder, destination or folder / "dist", source)
    with PackageReader.open(packed.path) as package:
        layout = package.layout
    if as_json:
        out_json(
            {
                "component": layout.manifest.id,
                "version": layout.manifest.version,
                "digest": packed.index_digest,
                "config": packed.config_digest,
                "path": str(packed.path),
                "size": packed.size,
                "runtimes": [str(entry.runtime) for entry in layout.runtimes if entry.runtime is not None],
                "actions": [action.name for action in layout.manifest.actions],
            }
        )
        return
    rows = [
        (t("Component", "组件"), f"{layout.manifest.id} {layout.manifest.version}"),
        (t("Actions", "动作"), ", ".join(action.name for action in layout.manifest.actions) or "-"),
        (t("Runtimes", "运行时"), ", ".join(str(entry.runtime) for entry in layout.runtimes if entry.runtime) or "-"),
        (t("Digest", "摘要"), packed.index_digest),
        (t("Size", "大小"), f"{packed.size:,} B"),
        (t("File", "文件"), packed.path),
    ]
    out_table((t("Packed", "已打包"), ""), rows)


def _ask(question: str, choices: list[str]) -> str:
    if len(choices) == 1:
        return choices[0]
    while True:
        answer: str = typer.prompt(f"{question} ({', '.join(choices)})", default=choices[0], err=True)
        if answer.strip().lower() in choices:
            return answer.strip().lower()
        say(t("One of: {choices}", "请从中选择：{choices}", choices=", ".join(choices)))


def _check_json(result: CheckResult) -> dict[str, object]:
    return {
        "problems": [problem.as_json() for problem in result.problems],
        "examples": [
            {
                "name": trial.example,
                "action": trial.action,
                "passed": trial.passed,
                "wall_ms": trial.usage.wall_ms if trial.usage else None,
                "peak_mib": trial.usage.peak_mib if trial.usage else None,
            }
            for trial in result.trials
        ],
    }


def _show_trials(trials: tuple[Trial, ...]) -> None:
    columns = (t("Example", "示例"), t("Action", "动作"), t("Result", "结果"), "ms", "MiB")
    rows = [
        (
            trial.example,
            trial.action,
            t("as expected", "符合预期") if trial.passed else t("differs", "不符"),
            f"{trial.usage.wall_ms:.1f}" if trial.usage else "-",
            f"{trial.usage.peak_mib:.0f}" if trial.usage and trial.usage.peak_mib else "-",
        )
        for trial in trials
    ]
    out_table(columns, rows)
