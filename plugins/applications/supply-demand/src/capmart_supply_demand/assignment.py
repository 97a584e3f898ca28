"""The one mathematical step: which row goes with which column so that the sum of costs is least."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment  # type: ignore[import-untyped, unused-ignore]


def assign(costs: Sequence[Sequence[float | None]]) -> list[tuple[int, int]]:
    """Pairs of row and column: as many as possible, and among those the cheapest.

    A pair whose cost is None is forbidden. To put the number of pairs first, a forbidden pair costs more than all
    allowed ones together and is taken out of the solution afterwards. The solver is scipy's (D. F. Crouse, "On
    implementing 2D rectangular assignment algorithms", IEEE Transactions on Aerospace and Electronic Systems 52, 2016).

    Args:
        costs: a row each; all rows equally long. Costs may be negative.

    Returns:
        Pairs in the order of their rows.
    """
    if not costs or not costs[0]:
        return []
    given = np.array([[np.nan if cost is None else cost for cost in row] for row in costs], dtype=float)
    allowed = ~np.isnan(given)
    if not allowed.any():
        return []
    span = float(given[allowed].max() - given[allowed].min())
    forbidden = given[allowed].max() + (span + 1.0) * min(given.shape)
    rows, columns = linear_sum_assignment(np.where(allowed, given, forbidden))
    return [(int(row), int(column)) for row, column in zip(rows, columns, strict=True) if allowed[row, column]]
