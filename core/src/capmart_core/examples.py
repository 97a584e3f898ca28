"""Whether a component answered as its example says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from capmart_core.schemas import format_path

_MAX_DIFFERENCES = 50


@dataclass(frozen=True)
class Difference:
    """One place where an answer is not what was expected.

    Attributes:
        path: for example ``losses[0].minutes``; empty for the answer as a whole.
        expected: None where nothing should be.
        actual: None where nothing is.
    """

    path: str
    expected: Any
    actual: Any


def differences(expected: Any, actual: Any, *, tolerance: float = 0.0) -> list[Difference]:
    """Where ``actual`` differs from ``expected``, at most 50 places; empty when it does not.

    Args:
        expected: JSON.
        actual: JSON.
        tolerance: the relative difference allowed between numbers; around zero the same number is allowed absolutely.
    """
    found: list[Difference] = []
    pending: list[tuple[tuple[str | int, ...], Any, Any]] = [((), expected, actual)]
    while pending and len(found) < _MAX_DIFFERENCES:
        path, wanted, given = pending.pop()
        if isinstance(wanted, Mapping) and isinstance(given, Mapping):
            pending += [
                ((*path, name), wanted.get(name), given.get(name)) for name in sorted({*wanted, *given}, reverse=True)
            ]
        elif isinstance(wanted, list) and isinstance(given, list) and len(wanted) == len(given):
            pending += [
                ((*path, position), *pair)
                for position, pair in reversed(list(enumerate(zip(wanted, given, strict=True))))
            ]
        elif not _same(wanted, given, tolerance):
            found.append(Difference(format_path(path), wanted, given))
    return found


def _same(wanted: Any, given: Any, tolerance: float) -> bool:
    if isinstance(wanted, bool) or isinstance(given, bool):
        return wanted is given
    if isinstance(wanted, int | float) and isinstance(given, int | float):
        return wanted == given or math.isclose(wanted, given, rel_tol=tolerance, abs_tol=tolerance)
    return type(wanted) is type(given) and bool(wanted == given)
