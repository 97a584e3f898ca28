"""Rules that go beyond a document's shape, each over raw data, so that one wrong field never hides another.

Every rule takes values as they were read (whatever they are) and the field where they stand, and yields problems.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from license_expression import (  # type: ignore[import-untyped]  # the library ships no types
    ExpressionError,
    ExpressionParseError,
    Licensing,
    ParseError,
    get_spdx_licensing,
)

from capmart_core import taxonomy
from capmart_core.errors import InvalidSchema
from capmart_core.manifest.problems import NOTHING, Problem, found, nearest, one_of
from capmart_core.schemas import Schema, schema_faults
from capmart_core.text import Text

TABLES = {"industries": "industries", "scenarios": "scenarios", "capabilities": "capabilities"}
_USCC = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_LICENCE_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")
_OPERATORS = frozenset({"AND", "OR", "WITH"})
_INVISIBLE = frozenset({"Cc", "Cf", "Co", "Cs"})
_ALLOWED = frozenset("\n\t\u200d")  # a zero-width joiner is part of some scripts and emoji


def check_codes(kind: object, values: Mapping[str, Any], file: str, at: str) -> Iterator[Problem]:
    """``subkind``, ``industries``, ``scenarios`` and ``capabilities`` are codes of their tables."""
    prefix = f"{at}." if at else ""
    subkinds = taxonomy.load("subkinds")
    known = subkinds.codes(kind) if isinstance(kind, str) and subkinds.codes(kind) else subkinds.codes()
    subkind = values.get("subkind")
    if isinstance(subkind, str) and subkind not in known:
        yield _unknown_code(file, f"{prefix}subkind", subkind, known)
    for field, table in TABLES.items():
        codes = values.get(field)
        if not isinstance(codes, list | tuple):
            continue
        known = taxonomy.load(table).codes()
        for position, code in enumerate(codes):
            if isinstance(code, str) and code not in known:
                yield _unknown_code(file, f"{prefix}{field}[{position}]", code, known)
            elif code in codes[:position]:
                yield _twice(file, f"{prefix}{field}[{position}]", code)


def check_licence(value: object, file: str, at: str) -> Iterator[Problem]:
    """An SPDX licence expression; ``LicenseRef-NAME`` stands for terms of one's own."""
    if not isinstance(value, str) or not value.strip():
        return
    known = _licences()
    try:
        _licensing().parse(value, validate=False)
        words = [word for word in _LICENCE_WORD.findall(value) if word not in _OPERATORS]
        wrong = next((word for word in words if word not in known and not word.startswith("LicenseRef-")), None)
    except (ExpressionError, ExpressionParseError, ParseError):
        wrong = value
    if wrong is not None:
        by_lower = {name.lower(): name for name in known}
        near = by_lower.get(wrong.lower().replace(" ", "-")) or by_lower.get(nearest(wrong, by_lower), "Apache-2.0")
        expected = Text(
            en="an SPDX licence expression, or LicenseRef-NAME for terms of your own",
            zh="SPDX 许可证表达式；自有条款写作 LicenseRef-名称",
        )
        yield Problem(file, at, "licence", expected, found(wrong), near)


def check_uscc(value: object, file: str, at: str) -> Iterator[Problem]:
    """The check character of a unified social credit code (GB 32100-2015): the sum of code times 3^(i-1), modulo 31."""
    if not isinstance(value, str) or len(value) != 18 or any(character not in _USCC for character in value):
        return  # its shape is checked elsewhere
    total = sum(_USCC.index(character) * pow(3, position, 31) for position, character in enumerate(value[:17]))
    check = _USCC[-total % 31]
    if value[17] != check:
        expected = Text(en=f"check character {check} (GB 32100)", zh=f"校验码 {check}（GB 32100）")
        yield Problem(file, at, "uscc", expected, found(value), value[:17] + check)


def check_texts(value: object, file: str, at: str = "") -> Iterator[Problem]:
    """No text has characters that cannot be seen: controls, direction marks, private or unassigned ones."""
    pending: list[tuple[str, object]] = [(at, value)]
    while pending:
        place, item = pending.pop()
        if isinstance(item, str):
            bad = next((c for c in item if unicodedata.category(c) in _INVISIBLE and c not in _ALLOWED), None)
            if bad is not None:
                expected = Text(en="text without invisible characters", zh="不含不可见字符的文本")
                yield Problem(file, place, "invisible", expected, found(f"U+{ord(bad):04X}"))
        elif isinstance(item, Mapping):
            pending += [(f"{place}.{name}" if place else str(name), part) for name, part in item.items()]
        elif isinstance(item, list | tuple):
            pending += [(f"{place}[{position}]", part) for position, part in enumerate(item)]


def check_dependencies(value: object, own: object, file: str, at: str) -> Iterator[Problem]:
    """No component depends on itself or twice on another."""
    seen: set[str] = set()
    for position, entry in enumerate(_tables(value)):
        wanted = entry.get("id")
        if not isinstance(wanted, str):
            continue
        if wanted == own:
            expected = Text(en="another component", zh="其他组件")
            yield Problem(file, f"{at}[{position}].id", "self_dependency", expected, found(wanted))
        elif wanted in seen:
            yield _twice(file, f"{at}[{position}].id", wanted)
        seen.add(wanted)


def check_actions(value: object, file: str, at: str, *, http: bool | None) -> Iterator[Problem]:
    """Names are unique, schemas can be used, inputs are objects, and those that speak HTTP say where.

    Args:
        value: the list of actions.
        file: in which they stand.
        at: their field.
        http: whether the component speaks HTTP; None when that is not known.
    """
    seen: set[object] = set()
    for position, action in enumerate(_tables(value)):
        place = f"{at}[{position}]"
        name = action.get("name")
        if isinstance(name, str) and name in seen:
            yield _twice(file, f"{place}.name", name)
        seen.add(str(name))
        for side in ("input", "output"):
            yield from _check_schema(action.get(side), file, f"{place}.{side}", must_be_object=side == "input")
        if http is not None and http != (action.get("path") is not None):
            expected = (
                Text(en="the path to which the input is POSTed", zh="接收 POST 输入的路径")
                if http
                else Text(en="no path: this component does not speak HTTP", zh="不应有路径：该组件不使用 HTTP")
            )
            was = NOTHING if http else found(action.get("path"))
            yield Problem(file, f"{place}.path", "http_path", expected, was, "/api/calculate" if http else "")


def _check_schema(schema: object, file: str, at: str, *, must_be_object: bool) -> Iterator[Problem]:
    if not isinstance(schema, Mapping):
        return
    faults = schema_faults(schema)
    for fault in faults:
        yield _schema_problem(file, _join(at, fault.path), fault.message)
    if must_be_object and not faults and schema.get("type") != "object":
        expected = Text(en='a schema of an object: "type": "object"', zh='对象的模式："type": "object"')
        yield Problem(file, f"{at}.type", "input_object", expected, found(schema.get("type", "")))


def check_examples(examples: object, actions: object, file: str, at: str) -> Iterator[Problem]:
    """Names are unique, actions exist, input and output match the action's schemas."""
    by_name = {action.get("name"): action for action in _tables(actions)}
    seen: set[str] = set()
    for position, example in enumerate(_tables(examples)):
        place = f"{at}[{position}]"
        name = example.get("name")
        if isinstance(name, str):
            if name in seen:
                yield _twice(file, f"{place}.name", name)
            seen.add(name)
        wanted = example.get("action")
        action = by_name.get(wanted) if isinstance(wanted, str) else None
        if action is None:
            if isinstance(wanted, str):
                known = [str(name) for name in by_name]
                expected = one_of(known) if known else Text(en="an action that exists", zh="已有的动作")
                yield Problem(
                    file, f"{place}.action", "unknown_action", expected, found(wanted), nearest(wanted, known)
                )
            continue
        for side in ("input", "output"):
            if side in example:
                yield from check_value(example[side], action.get(side), file, f"{place}.{side}")


def check_value(value: object, schema: object, file: str, at: str) -> Iterator[Problem]:
    """A value matches a schema; nothing is said when the schema itself cannot be used."""
    if not isinstance(schema, Mapping):
        return
    try:
        faults = Schema(schema).faults(value)
    except InvalidSchema:
        return
    for fault in faults:
        expected = Text(en="a value that matches the action's schema", zh="符合该动作模式的值")
        yield Problem(file, _join(at, fault.path), "schema_mismatch", expected, fault.message)


def check_unique_paths(files: object, file: str, at: str) -> Iterator[Problem]:
    """No two data files have the same path, also where case is not told apart."""
    seen: set[str] = set()
    for position, entry in enumerate(_tables(files)):
        path = entry.get("path")
        if isinstance(path, str):
            if path.casefold() in seen:
                yield _twice(file, f"{at}[{position}].path", path)
            seen.add(path.casefold())


def _tables(value: object) -> list[Mapping[str, Any]]:
    """The tables in a list; what is none keeps its place as an empty one."""
    if not isinstance(value, list | tuple):
        return []
    return [entry if isinstance(entry, Mapping) else {} for entry in value]


def _join(place: str, path: str) -> str:
    return place + path if not (place and path) or path.startswith("[") else f"{place}.{path}"


def _schema_problem(file: str, at: str, message: Text) -> Problem:
    return Problem(file, at, "schema", Text(en="a JSON Schema (2020-12)", zh="JSON Schema（2020-12）"), message)


def _unknown_code(file: str, at: str, code: str, known: list[str]) -> Problem:
    return Problem(file, at, "unknown_code", one_of(known), found(code), nearest(code, known) or known[0])


def _twice(file: str, at: str, value: object) -> Problem:
    return Problem(file, at, "duplicate", Text(en="each only once", zh="不重复"), found(value))


@cache
def _licensing() -> Licensing:
    return get_spdx_licensing()


@cache
def _licences() -> frozenset[str]:
    return frozenset(name for name in _licensing().known_symbols if not name.startswith("LicenseRef-"))
