"""``capmart call``: run one action of an installed component."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from capmart_core.canonical import parse_json
from capmart_core.errors import InputRejected, InvalidJson, TooLarge
from capmart_core.manifest.models import Action
from capmart_sdk.cli.options import AsJson, NodeDir
from capmart_sdk.console import language, out_json, plain, say, t
from capmart_sdk.node import Node

MAX_INPUT_BYTES = 4 * 1024 * 1024


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "call",
        help=t(
            "Run an action of an installed component; its result is printed as JSON",
            "运行已安装组件的动作，结果以 JSON 输出",
        ),
    )(call)


def call(
    component: Annotated[str, typer.Argument(metavar="ID", help=t("namespace/name", "命名空间/名称"))],
    action: Annotated[str, typer.Argument(metavar="ACTION", help=t("Name of the action", "动作名称"))],
    values: Annotated[
        list[str] | None, typer.Argument(metavar="[FIELD=VALUE]…", help=t("Fields of the input", "输入字段"))
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--input",
            "-i",
            metavar="FILE|-",
            help=t("JSON input from a file or stdin", "取自文件或标准输入的 JSON 输入"),
        ),
    ] = None,
    deadline: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", min=0.001, help=t("End it earlier than its limit", "短于其上限的时限")),
    ] = None,
    node: NodeDir = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Validate, run, validate, print."""
    with Node(node, language=language()) as here:
        known = here.manifest(component).action(action)
        value = _read(source) if source is not None else {}
        if isinstance(value, dict) and known is not None:
            value = {**value, **_fields(component, known, values or [])}
        result = here.call(component, action, value, deadline_s=deadline)
    if result.log:
        say(plain(result.log.rstrip("\n")), style="dim")
    usage = result.usage
    if as_json:
        out_json(
            {
                "result": result.value,
                "log": result.log,
                "usage": {"wall_ms": usage.wall_ms, "cpu_ms": usage.cpu_ms, "peak_mib": usage.peak_mib},
            }
        )
        return
    out_json(result.value)
    say(t("{time:.1f} ms", "{time:.1f} 毫秒", time=usage.wall_ms), style="dim")


def _read(source: str) -> Any:
    if source == "-":
        data = sys.stdin.buffer.read(MAX_INPUT_BYTES + 1)
    else:
        path = Path(source)
        if not path.is_file():
            raise InvalidJson(what=source, reason=t("there is no such file", "没有这个文件"))
        with path.open("rb") as stream:
            data = stream.read(MAX_INPUT_BYTES + 1)
    if len(data) > MAX_INPUT_BYTES:
        raise TooLarge(what=source, limit=MAX_INPUT_BYTES)
    return parse_json(data, what=source, max_bytes=MAX_INPUT_BYTES)


def _fields(component: str, action: Action, values: list[str]) -> dict[str, Any]:
    fields = {}
    properties = action.input.get("properties", {})
    for text in values:
        name, equals, value = text.partition("=")
        if not equals or not name:
            reason = t("write FIELD=VALUE", "应写作 字段=值")
            raise InputRejected(
                action=f"{component} {action.name}", path=text[:100], reason=reason, component=component
            )
        fields[name] = _value(properties.get(name) if isinstance(properties, dict) else None, value)
    return fields


def _value(schema: Any, text: str) -> Any:
    """``text`` as the JSON it spells, unless the field is text: ``007`` stays what it is there."""
    if isinstance(schema, dict) and schema.get("type") == "string":
        return text
    try:
        return parse_json(text.encode(), what="value", max_bytes=MAX_INPUT_BYTES)
    except InvalidJson:
        return text
