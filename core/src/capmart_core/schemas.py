"""JSON Schema 2020-12, applied to what outsiders wrote: no network, no pattern that takes exponential time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import jsonschema_rs

from capmart_core.errors import InvalidSchema
from capmart_core.text import Text

_META = "https://json-schema.org/draft/2020-12/schema"
_PATTERN_BYTES = 1 << 20
_MAX_TEXT = 300
_ZH = {
    "required": "缺少必填字段 {property}",
    "type": "{value} 的类型应为 {types}",
    "enum": "{value} 应为 {options} 之一",
    "const": "{value} 应为 {expected_value}",
    "minimum": "{value} 小于下限 {limit}",
    "maximum": "{value} 大于上限 {limit}",
    "exclusiveMinimum": "{value} 应大于 {limit}",
    "exclusiveMaximum": "{value} 应小于 {limit}",
    "multipleOf": "{value} 应为 {multiple_of} 的倍数",
    "minLength": "{value} 短于 {limit} 个字符",
    "maxLength": "{value} 长于 {limit} 个字符",
    "minItems": "{value} 少于 {limit} 项",
    "maxItems": "{value} 多于 {limit} 项",
    "pattern": "{value} 不符合模式 {pattern}",
    "format": "{value} 不符合格式 {format}",
    "additionalProperties": "有未定义的字段 {unexpected}",
    "unevaluatedProperties": "有未定义的字段 {unexpected}",
    "uniqueItems": "{value} 中有重复项",
}


@dataclass(frozen=True)
class Fault:
    """One way in which a value does not match a schema.

    Attributes:
        path: where in the value, for example ``shifts[0].planned``; empty for the value itself.
        message: what is wrong, in both languages.
        keyword: of JSON Schema that says so, for example ``required``.
    """

    path: str
    message: Text
    keyword: str


class Schema:
    """A compiled schema. Safe to use from several threads.

    Raises:
        InvalidSchema: it is none, refers to something outside itself, or has a pattern that needs backtracking.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        try:
            self._validator = jsonschema_rs.Draft202012Validator(
                dict(schema), offline=True, pattern_options=jsonschema_rs.RegexOptions(size_limit=_PATTERN_BYTES)
            )
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
            path = format_path(getattr(error, "instance_path", None) or [])
            raise InvalidSchema(path=path or "/", reason=_short(getattr(error, "message", None) or error)) from error

    def faults(self, value: object, *, limit: int = 20) -> list[Fault]:
        """How ``value`` does not match, at most ``limit`` faults; empty when it does."""
        faults: list[Fault] = []
        for error in self._validator.iter_errors(value):
            if len(faults) == limit:
                break
            faults.append(_fault(error))
        return faults

    def matches(self, value: object) -> bool:
        """Whether ``value`` matches."""
        return self._validator.is_valid(value)


def schema_faults(schema: Mapping[str, Any]) -> list[Fault]:
    """What is wrong with a schema itself; empty when it can be compiled."""
    faults = [_fault(error) for error in _meta().iter_errors(dict(schema))]
    if not faults:
        try:
            Schema(schema)
        except InvalidSchema as error:
            text = Text(en=str(error.data["reason"]), zh=f"模式不可用：{error.data['reason']}")
            faults.append(Fault("" if error.data["path"] == "/" else str(error.data["path"]), text, "schema"))
    return faults


def format_path(parts: Iterator[str | int] | list[str | int] | tuple[str | int, ...]) -> str:
    """A path as a person writes it: ``shifts[0].planned``."""
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


@cache
def _meta() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator({"$ref": _META}, offline=True)


def _fault(error: jsonschema_rs.ValidationError) -> Fault:
    facts = {"value": _short(error.instance)}
    keyword = error.kind.name
    for name, value in error.kind.as_dict().items():
        facts.setdefault(name, _short(", ".join(map(str, value)) if isinstance(value, list) else value))
    en = _short(error.message)
    try:
        zh = _ZH[keyword].format_map(facts)
    except KeyError:
        zh = f"不符合 {keyword} 约束：{en}"
    return Fault(format_path(error.instance_path), Text(en=en, zh=zh), keyword)


def _short(value: object) -> str:
    text = value if isinstance(value, str) else repr(value) if isinstance(value, bool) else str(value)
    return (text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…") or "-"
