"""``capmart center scrub``: the state of what a center stores."""

from __future__ import annotations

from dataclasses import asdict

import typer

from capmart_core.errors import DigestMismatch
from capmart_registry.artifacts.scrub import scrub as find_rot
from capmart_registry.cli.options import AsJson, Data, open_center
from capmart_sdk.console import out_json, out_table, say, t

app = typer.Typer()


@app.command(help=t("Read back everything that is stored and find what is damaged", "回读全部存储内容，找出损坏"))
def scrub(*, data: Data = None, as_json: AsJson = False) -> None:
    """Also beside a serving center; nothing is changed."""
    with open_center(data) as center:
        found = list(find_rot(center))
    if as_json:
        out_json([asdict(rot) for rot in found])
    elif found:
        faults = {
            "altered": t("altered", "已被改动"),
            "unreadable": t("unreadable", "无法读取"),
            "missing": t("missing", "缺失"),
        }
        rows = [(rot.digest, faults[rot.fault], ", ".join(rot.repositories)) for rot in found]
        out_table((t("digest", "摘要"), t("fault", "问题"), t("needed by", "使用者")), rows)
        say(
            t(
                "Delete a damaged file, then push or sync its content again, or restore it from a copy",
                "请删除损坏的文件，再重新推送或同步其内容，或从备份恢复",
            )
        )
    else:
        say(t("Everything stored is whole", "全部存储内容完好"))
    if found:
        raise typer.Exit(DigestMismatch.exit_code)
