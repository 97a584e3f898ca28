"""How manifests, permissions and schemas are shown to people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from capmart_core.manifest.models import Manifest, Permissions
from capmart_sdk.cli.wording import delivery_name, kind_name
from capmart_sdk.console import language, out, out_table, t, tt

_MAX_DEPTH = 6


def show_manifest(manifest: Manifest) -> None:
    """Everything a person wants to know before using a component."""
    out(f"{manifest.id} {manifest.version}  {tt(manifest.title)}", style="bold")
    out(tt(manifest.summary))
    if manifest.description is not None:
        out(tt(manifest.description))
    rows = [
        (t("Kind", "类型"), kind_name(manifest.kind)),
        (t("Delivery", "交付方式"), delivery_name(manifest.delivery.type)),
        (t("Provider", "提供方"), f"{tt(manifest.provider.name)} · {manifest.provider.contact}"),
        (t("Licence", "许可证"), manifest.licence),
        (t("Industries", "行业"), ", ".join(manifest.taxonomy.industries) or "-"),
        (t("Standards", "标准"), ", ".join(manifest.standards) or "-"),
        (t("Needs", "依赖"), ", ".join(f"{each.id} {each.range}" for each in manifest.dependencies) or "-"),
        (
            t("May", "权限"),
            "; ".join(permission_lines(manifest.permissions)) or t("nothing beyond computing", "仅计算"),
        ),
    ]
    out_table(("", ""), rows)
    for action in manifest.actions:
        out(f"{action.name}  {tt(action.title)}", style="bold")
        columns = (
            t("Field", "字段"),
            t("Title", "名称"),
            t("Type", "类型"),
            t("Unit", "单位"),
            t("Needed", "必填"),
            t("Example", "示例"),
        )
        out_table(columns, fields(action.input), title=t("Input", "输入"))
        out_table(columns, fields(action.output), title=t("Result", "结果"))
    if manifest.files:
        show_files(manifest)


def show_files(manifest: Manifest) -> None:
    """The documents and tables of a component."""
    columns = (t("File", "文件"), t("Title", "名称"), t("Type", "类型"), t("Bytes", "字节"))
    out_table(columns, ((file.path, tt(file.title), file.media_type, f"{file.size:,}") for file in manifest.files))


def permission_lines(permissions: Permissions) -> list[str]:
    """What is widened, one line each, in the language in use; empty when nothing is."""
    lines = [t("reach {host} over the network", "通过网络访问 {host}", host=host) for host in permissions.network]
    lines += [t("be given the secret {name}", "获得密钥 {name}", name=name) for name in permissions.secrets]
    lines += [t("call the component {name}", "调用组件 {name}", name=name) for name in permissions.calls]
    lines += [t("read the data folder {name}", "读取数据目录 {name}", name=name) for name in permissions.data]
    if permissions.storage_mib:
        lines.append(t("keep {size} MiB of its own data", "保存 {size} MiB 自有数据", size=permissions.storage_mib))
    return lines


def fields(schema: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """The fields of a JSON Schema as rows: path, title, type, unit, whether needed, example."""
    yield from _fields(schema, schema, "", needed=True, depth=0)


def _fields(
    root: Mapping[str, Any], schema: Mapping[str, Any], path: str, *, needed: bool, depth: int
) -> Iterator[tuple[str, ...]]:
    schema = _resolved(root, schema)
    properties = schema.get("properties")
    items = schema.get("items")
    if path:
        yield _row(schema, path, needed=needed)
    if depth >= _MAX_DEPTH:
        return
    if isinstance(properties, dict):
        required = schema.get("required", ())
        for name, child in properties.items():
            yield from _fields(
                root, child, f"{path}.{name}" if path else name, needed=name in required, depth=depth + 1
            )
    elif isinstance(items, dict) and _resolved(root, items).get("properties"):
        inner = {**_resolved(root, items), "title": None}
        for name, child in inner["properties"].items():
            yield from _fields(
                root, child, f"{path}[].{name}", needed=name in inner.get("required", ()), depth=depth + 1
            )


def _row(schema: Mapping[str, Any], path: str, *, needed: bool) -> tuple[str, ...]:
    title = schema.get("x-title-zh") if language() == "zh" else schema.get("title")
    examples = schema.get("examples")
    example = examples[0] if isinstance(examples, list) and examples else schema.get("default", "")
    kind = schema.get("type", "")
    if isinstance(kind, list):
        kind = " | ".join(map(str, kind))
    if "enum" in schema:
        kind = " | ".join(map(str, schema["enum"][:8]))
    return (
        path,
        str(title or schema.get("title") or ""),
        str(kind),
        str(schema.get("x-unit", "")),
        t("yes", "是") if needed else "",
        str(example)[:60],
    )


def _resolved(root: Mapping[str, Any], schema: Any) -> Mapping[str, Any]:
    """The schema that a local ``$ref`` stands for, with what stands beside it."""
    for _ in range(_MAX_DEPTH):
        if not isinstance(schema, dict):
            return {}
        reference = schema.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#/"):
            break
        found: Any = root
        for part in reference[2:].split("/"):
            found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
        beside = {name: value for name, value in schema.items() if name != "$ref"}
        schema = {**(found if isinstance(found, dict) else {}), **beside}
    return dict(schema)
