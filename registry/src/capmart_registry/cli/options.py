"""What the operator's commands have in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from capmart_registry import schema
from capmart_registry.center import Center
from capmart_registry.settings import load_settings
from capmart_sdk.console import t

Data = Annotated[
    Path | None,
    typer.Option(
        "--data", metavar="DIR", envvar="CAPMART_CENTER_DATA", help=t("Folder of the center", "能力中心的数据目录")
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help=t("Print JSON for a program", "输出供程序读取的 JSON"))]


@contextmanager
def open_center(data: Path | None) -> Iterator[Center]:
    """The center in a folder, whose database has this program's schema."""
    center = Center(load_settings(data))
    try:
        schema.check(center.db)
        yield center
    finally:
        center.close()
