"""What a benchmark says: our figure, the peer's beside it, their ratio, the goal and whether it holds."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Goal:
    """What a figure must be.

    Attributes:
        limit: the bound.
        way: whether it is the largest or the smallest that is good.
        of: the ratio of ours to beside, or our figure itself.
    """

    limit: float
    way: Literal["most", "least"] = "most"
    of: Literal["ratio", "ours"] = "ratio"


@dataclass(frozen=True)
class Figure:
    """One row.

    Attributes:
        name: what was measured.
        ours: Capmart's figure.
        unit: of both.
        beside: the peer's, from the same run; None where there is no peer.
        peer: what the peer is.
        goal: None where there is no goal.
    """

    name: str
    ours: float
    unit: str
    beside: float | None = None
    peer: str = ""
    goal: Goal | None = None

    @property
    def ratio(self) -> float | None:
        """Ours over the peer's."""
        return self.ours / self.beside if self.beside else None

    @property
    def holds(self) -> bool | None:
        """Whether the goal holds; None where there is none, or no peer to hold it against."""
        if self.goal is None:
            return None
        value = self.ratio if self.goal.of == "ratio" else self.ours
        if value is None:
            return None
        return value <= self.goal.limit if self.goal.way == "most" else value >= self.goal.limit


def table(figures: Sequence[Figure]) -> str:
    """The figures for a terminal, a line each."""
    lines = [("figure", "ours", "beside", "ratio", "goal", "holds")]
    lines += [
        (
            one.name,
            f"{_number(one.ours)} {one.unit}",
            "-" if one.beside is None else f"{_number(one.beside)} {one.unit} {one.peer}".rstrip(),
            _fraction(one.ratio),
            _goal(one),
            {True: "yes", False: "no", None: "-"}[one.holds],
        )
        for one in figures
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(6)]
    return "\n".join(
        " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def save(figures: Sequence[Figure], path: Path, **facts: str) -> None:
    """The figures as JSON, with what they were measured on."""
    rows = [
        {
            "figure": one.name,
            "ours": one.ours,
            "beside": one.beside,
            "unit": one.unit,
            "peer": one.peer or None,
            "ratio": one.ratio,
            "goal": None if one.goal is None else _goal(one),
            "holds": one.holds,
        }
        for one in figures
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**facts, "figures": rows}, indent=2, ensure_ascii=False) + "\n", "utf-8")


def median(values: Sequence[float]) -> float:
    """The middle of the values."""
    return statistics.median(values)


def percentile(values: Sequence[float], part: float) -> float:
    """The value below which ``part`` of them lie, from 0 to 1."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def _goal(one: Figure) -> str:
    if one.goal is None:
        return "-"
    sign = "≤" if one.goal.way == "most" else "≥"
    bound = _fraction(one.goal.limit) if one.goal.of == "ratio" else f"{_number(one.goal.limit)} {one.unit}"
    return f"{sign} {bound}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _fraction(value: float | None) -> str:
    if value is None:
        return "-"
    return f"1/{1 / value:.0f}" if 0 < value < 0.2 else f"{value:.2f}"
