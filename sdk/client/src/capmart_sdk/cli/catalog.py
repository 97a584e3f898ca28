"""``capmart search | show``: what a center offers, and what a component says of itself."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from capmart_core.identifiers import ComponentId
from capmart_core.manifest.models import Manifest
from capmart_sdk.cli.options import AsJson, Center, NodeDir, open_center
from capmart_sdk.cli.views import show_manifest
from capmart_sdk.cli.wording import kind_name, state_name
from capmart_sdk.client import ComponentPage, SearchPage
from capmart_sdk.console import out, out_json, out_table, t, tt
from capmart_sdk.node import Node


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("search", help=t("Look for components at a center", "在能力中心查找组件"))(search)
    app.command(
        "show",
        help=t(
            "Show a component: actions with their fields, permissions, versions, files",
            "查看组件：动作及字段、权限、版本、文件",
        ),
    )(show)


def search(
    words: Annotated[list[str] | None, typer.Argument(metavar="WORDS", help=t("Words to look for", "关键词"))] = None,
    center: Center = None,
    kind: Annotated[
        str | None, typer.Option(metavar="knowledge|tool|application", help=t("Only this kind", "仅此类型"))
    ] = None,
    industry: Annotated[str | None, typer.Option(metavar="CODE", help=t("Only this industry", "仅此行业"))] = None,
    scenario: Annotated[str | None, typer.Option(metavar="CODE", help=t("Only this scenario", "仅此场景"))] = None,
    namespace: Annotated[str | None, typer.Option(metavar="NS", help=t("Only this namespace", "仅此命名空间"))] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help=t("Rows at most", "最多行数"))] = 20,
    cursor: Annotated[str | None, typer.Option(metavar="NEXT", help=t("Go on from here", "从此处继续"))] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Search one center's catalog."""
    with open_center(center) as client:
        page = client.search(
            " ".join(words or ()),
            kind=kind,
            industry=industry,
            scenario=scenario,
            namespace=namespace,
            limit=limit,
            cursor=cursor,
        )
    if as_json:
        out_json(page.model_dump(mode="json"))
    else:
        _show_page(page)


def _show_page(page: SearchPage) -> None:
    columns = (t("Component", "组件"), t("Version", "版本"), t("Kind", "类型"), t("Title", "名称"), t("State", "状态"))
    rows = (
        (item.id, item.version or "-", kind_name(item.kind), tt(item.title), state_name(item.state or ""))
        for item in page.items
    )
    out_table(columns, rows)
    out(t("{shown} of {total} shown.", "显示 {shown} / {total} 条。", shown=len(page.items), total=page.total))
    if page.next:
        out(t("More with: --cursor {next}", "查看更多：--cursor {next}", next=page.next))


def show(
    component: Annotated[str, typer.Argument(metavar="ID", help=t("namespace/name", "命名空间/名称"))],
    center: Center = None,
    node: NodeDir = None,
    *,
    installed: Annotated[
        bool, typer.Option("--installed", help=t("The one installed here; no network", "查看本机已安装的版本，不联网"))
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show a component as installed here, or as a center has it."""
    wanted = ComponentId.parse(component)
    here = Node(node) if installed or center is None else None
    if here is not None and (installed or wanted in here.lock()):
        locked, manifest = here.locked(wanted), here.manifest(wanted)
        if as_json:
            out_json({"installed": locked.model_dump(mode="json"), "manifest": manifest.model_dump(mode="json")})
            return
        out(
            t(
                "Installed in {node}: version {version}",
                "已安装于 {node}：版本 {version}",
                node=here.path,
                version=locked.version,
            )
        )
        show_manifest(manifest)
        return
    with open_center(center) as client:
        page = client.component(wanted)
    if as_json:
        out_json(page.model_dump(mode="json"))
    else:
        _show_component(page)


def _show_component(page: ComponentPage) -> None:
    if page.manifest is not None:
        show_manifest(Manifest.model_validate(page.manifest))
    columns = (
        t("Version", "版本"),
        t("State", "状态"),
        t("Log index", "日志序号"),
        t("Listed", "上架时间"),
        t("Digest", "摘要"),
    )
    rows: list[tuple[Any, ...]] = [
        (
            row.version,
            _state(row.state, tt(row.reason)),
            row.log_index,
            row.listed_at,
            row.digest,
        )
        for row in page.releases
    ]
    out_table(columns, rows, title=t("Releases (home: {home})", "版本（归属：{home}）", home=page.home or "-"))


def _state(state: str, reason: str | None) -> str:
    return f"{state_name(state)}: {reason}" if reason else state_name(state)
