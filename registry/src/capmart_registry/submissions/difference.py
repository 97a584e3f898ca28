"""The difference between two manifests, for the person who reviews the newer one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

_MAX_VALUE = 400
_KEYED = {"actions": "name", "examples": "name", "files": "path", "dependencies": "id"}


@dataclass(frozen=True)
class FieldChange:
    """One field that is not as it was.

    Attributes:
        field: where, for example ``actions.calculate.input.run_time``.
        kind: ``added``, ``removed`` or ``changed``.
        before: as text; empty when it was added.
        after: as text; empty when it was removed.
    """

    field: str
    kind: Literal["added", "removed", "changed"]
    before: str
    after: str


@dataclass(frozen=True)
class ManifestDifference:
    """How a manifest differs from an earlier version's.

    Attributes:
        previous: the version compared with; None when no earlier one is listed.
    """

    previous: str | None
    changes: tuple[FieldChange, ...]


def compare(before: dict[str, Any], after: dict[str, Any]) -> tuple[FieldChange, ...]:
    """Every field that differs, in the order of the newer manifest; the version itself is left out.

    Lists of named things (actions, examples, files, dependencies) are compared by name, and the schemas of actions by
    property, so that a field added to an input reads as that.
    """
    leave = {"version", "changelog"}
    return tuple(_mapping("", _prepared(before, leave), _prepared(after, leave)))


def _prepared(manifest: dict[str, Any], leave: set[str]) -> dict[str, Any]:
    prepared = {name: value for name, value in manifest.items() if name not in leave}
    for name, key in _KEYED.items():
        if isinstance(prepared.get(name), list):
            prepared[name] = {item[key]: {k: v for k, v in item.items() if k != key} for item in prepared[name]}
    for action in prepared.get("actions", {}).values():
        for side in ("input", "output"):
            action[side] = _schema(action[side])
    return prepared


def _schema(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema with its properties on top, each with whether it is required."""
    flat = {name: value for name, value in schema.items() if name not in {"properties", "required"}}
    required = set(schema.get("required", ()))
    for name, value in schema.get("properties", {}).items():
        described = dict(value) if isinstance(value, dict) else {"schema": value}
        flat[name] = described | ({"required": True} if name in required else {})
    return flat


def _mapping(place: str, before: dict[str, Any], after: dict[str, Any]) -> Iterator[FieldChange]:
    for name in [*after, *(name for name in before if name not in after)]:
        where = f"{place}.{name}" if place else str(name)
        if name not in before:
            yield FieldChange(where, "added", "", _text(after[name]))
        elif name not in after:
            yield FieldChange(where, "removed", _text(before[name]), "")
        elif before[name] != after[name]:
            if isinstance(before[name], dict) and isinstance(after[name], dict):
                yield from _mapping(where, before[name], after[name])
            else:
                yield FieldChange(where, "changed", _text(before[name]), _text(after[name]))


def _text(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= _MAX_VALUE else f"{text[: _MAX_VALUE - 1]}…"
