"""``capmart list | files``: what is installed, and the documents and tables in it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from capmart_core.errors import NotFound
from capmart_core.package import InstalledTree, verify_tree
from capmart_sdk.cli.options import AsJson, NodeDir
from capmart_sdk.cli.views import show_files
from capmart_sdk.cli.wording import state_name
from capmart_sdk.console import language, out, out_json, out_table, say, t, tt
from capmart_sdk.node import Node


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("list", help=t("List what is installed", "列出已安装的组件"))(list_installed)
    app.command("files", help=t("List or copy out the documents and tables of a component", "列出或导出组件中的文件"))(
        files
    )


def list_installed(node: NodeDir = None, *, as_json: AsJson = False) -> None:
    """List the lock, with what each offers."""
    rows = []
    with Node(node, language=language()) as here:
        for entry in here.lock().components:
            manifest = here.manifest(entry.id)
            fact = here.store().release(entry.id, entry.version)
            rows.append((entry, manifest, str(fact.state) if fact else ""))
        path = here.path
    if as_json:
        out_json(
            [
                {
                    **entry.model_dump(mode="json"),
                    "kind": manifest.kind,
                    "title": manifest.title.model_dump(),
                    "state": state,
                    "actions": [action.name for action in manifest.actions],
                    "files": [file.path for file in manifest.files],
                }
                for entry, manifest, state in rows
            ]
        )
        return
    columns = (
        t("Component", "组件"),
        t("Version", "版本"),
        t("Title", "名称"),
        t("Actions", "动作"),
        t("Files", "文件"),
        t("State", "状态"),
    )
    cells = (
        (
            entry.id,
            entry.version,
            tt(manifest.title),
            ", ".join(action.name for action in manifest.actions) or "-",
            ", ".join(file.path for file in manifest.files) or "-",
            state_name(state),
        )
        for entry, manifest, state in rows
    )
    out_table(columns, cells, title=str(path))
    if not rows:
        say(t("Nothing is installed here yet: capmart install ID", "尚未安装任何组件：capmart install ID"))


def files(
    component: Annotated[str, typer.Argument(metavar="ID", help=t("namespace/name", "命名空间/名称"))],
    node: NodeDir = None,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", file_okay=False, help=t("Copy them there", "复制到该目录"))
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show them; with ``--to``, verify and copy them."""
    with Node(node, language=language()) as here:
        tree = here.tree(component)
        if to is not None:
            tree = verify_tree(tree.path, digest=tree.layout.digest)
    manifest = tree.layout.manifest
    if not manifest.files:
        raise NotFound(what=t("any file in {id}", "{id} 中的文件", id=manifest.id))
    copied = _copy(tree, to) if to is not None else []
    if as_json:
        out_json([{**file.model_dump(mode="json", exclude_none=True)} for file in manifest.files])
    else:
        show_files(manifest)
        for path in copied:
            out(path)


def _copy(tree: InstalledTree, to: Path) -> list[Path]:
    folder = tree.files
    if folder is None:
        return []
    done = []
    for file in tree.layout.manifest.files:
        target = to / file.path
        if target.exists():
            say(t("{path} is there and was left as it is.", "{path} 已存在，未覆盖。", path=target))
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        # A copy, never a link: what the person does to it does not touch what is installed.
        shutil.copyfile(folder / file.path, target)
        done.append(target)
    return done
