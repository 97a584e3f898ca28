"""JSON from outside, read within bounds, and JSON with one spelling, so that it can be hashed and signed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

import rfc8785

from capmart_core.errors import InvalidJson

Json = Any

_MAX_SAFE = 2**53 - 1
_SAFE_DIGITS = 16  # with fewer characters it is certainly safe
_MAX_DIGITS = 22  # RFC 8785 writes a larger number with an exponent


def canonical_bytes(value: Json) -> bytes:
    """The one spelling of ``value`` (RFC 8785, JSON Canonicalization Scheme).

    Raises:
        InvalidJson: it has something that JSON has no interoperable spelling for: NaN, an infinity, an integer beyond
            2**53 - 1, a lone surrogate, a key that is no text.
    """
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError, TypeError, AttributeError) as error:
        raise InvalidJson(what="value", reason=str(error) or type(error).__name__) from error


def parse_json(data: bytes, *, what: str, max_bytes: int, max_depth: int = 64) -> Json:
    """Read JSON that came from outside (RFC 8259), strictly.

    Refused beyond what :mod:`json` refuses: a name twice in one object, NaN and infinities (also ``1e999``), integers
    that a double does not carry, text that is no Unicode (lone surrogates).

    Args:
        data: UTF-8.
        what: names the bytes in the error.
        max_bytes: the most that is read.
        max_depth: the deepest nesting of arrays and objects.

    Raises:
        InvalidJson: it is not acceptable.
    """
    if len(data) > max_bytes:
        raise InvalidJson(what=what, reason=f"larger than {max_bytes} bytes")
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_no_duplicates,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_safe,
        )
        _check(value, max_depth)
    except RecursionError as error:
        raise InvalidJson(what=what, reason=f"nested deeper than {max_depth}") from error
    except ValueError as error:  # also JSONDecodeError, UnicodeError, and integers beyond Python's limit on digits
        raise InvalidJson(what=what, reason=str(error)[:200]) from error
    return value


def _no_duplicates(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice[:50]!r} appears twice in one object")
    return result


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError("a number is too large")
    return value


def _safe(text: str) -> int | float:
    """An integer that a double carries (RFC 8785 knows no others); a larger one only as a double is spelled."""
    if len(text) < _SAFE_DIGITS:
        return int(text)
    value = int(text)
    if abs(value) <= _MAX_SAFE:
        return value
    if len(text) > _MAX_DIGITS or rfc8785.dumps(float(value)) != text.encode("ascii"):
        raise ValueError(f"the integer {text[:30]} is beyond 2**53 - 1; write it as text")
    return float(value)


def _check(value: Json, max_depth: int) -> None:
    """Depth and Unicode, without recursion, so that the depth asked for is the depth allowed."""
    level: list[Json] = [value]
    depth = 0
    while level:
        below: list[Json] = []
        for item in level:
            if isinstance(item, str):
                _check_text(item)
            elif isinstance(item, Mapping):
                for name in item:
                    _check_text(name)
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
        if any(isinstance(item, (Mapping, list)) for item in level):
            depth += 1
            if depth > max_depth:
                raise ValueError(f"nested deeper than {max_depth}")
        level = below


def _check_text(text: str) -> None:
    if not text.isascii():
        text.encode("utf-8")
