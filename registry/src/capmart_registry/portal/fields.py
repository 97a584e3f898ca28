"""JSON Schema as rows of a table: name, meaning, type, unit, example."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from capmart_core.text import Language

MAX_ROWS = 200
MAX_DEPTH = 2


@dataclass(frozen=True)
class FieldRow:
    """One field. ``name`` is its path, list items spelled ``[]``."""

    name: str
    title: str
    type: str
    unit: str
    example: str | None
    required: bool


def field_rows(schema: Mapping[str, Any], language: Language) -> list[FieldRow]:
    """The fields of an action's schema, nested ones below their parent, at most :data:`MAX_ROWS`."""
    rows: list[FieldRow] = []
    _collect(schema, schema.get("$defs") or {}, "", 0, language, rows)
    return rows[:MAX_ROWS]


def _collect(
    schema: Mapping[str, Any],
    definitions: Mapping[str, Any],
    path: str,
    depth: int,
    language: Language,
    rows: list[FieldRow],
) -> None:
    schema = _follow(schema, definitions)
    if depth >= MAX_DEPTH or len(rows) >= MAX_ROWS:
        return
    items = schema.get("items")
    if isinstance(items, Mapping):
        _collect(items, definitions, f"{path}[]", depth, language, rows)
        return
    required = schema.get("required") or ()
    for name, given in (schema.get("properties") or {}).items():
        if not isinstance(given, Mapping):
            continue
        field = {**_follow(given, definitions), **given}
        where = f"{path}.{name}" if path else str(name)
        rows.append(
            FieldRow(
                name=where,
                title=str((field.get("x-title-zh") if language == "zh" else None) or field.get("title") or ""),
                type=_type(field, definitions),
                unit=str(field.get("x-unit") or ""),
                example=_example(field),
                required=name in required,
            )
        )
        _collect(field, definitions, where, depth + 1, language, rows)


def _follow(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    if isinstance(reference, str):
        target = definitions.get(reference.removeprefix("#/$defs/"))
        return target if isinstance(target, Mapping) else {}
    return schema


def _type(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    if "enum" in field:
        return " | ".join(str(value) for value in field["enum"][:12])
    choices = field.get("anyOf")
    if isinstance(choices, list):
        return " | ".join(_type(_follow(one, definitions), definitions) for one in choices if isinstance(one, Mapping))
    kind = field.get("type", "")
    if kind == "array" and isinstance(field.get("items"), Mapping):
        return f"{_type(_follow(field['items'], definitions), definitions)}[]"
    return " | ".join(map(str, kind)) if isinstance(kind, list) else str(kind)


def _example(field: Mapping[str, Any]) -> str | None:
    examples = field.get("examples")
    return json.dumps(examples[0], ensure_ascii=False)[:200] if isinstance(examples, list) and examples else None
