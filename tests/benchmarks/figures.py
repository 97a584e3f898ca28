"""What a benchmark says: our figure, the peer's beside it, their ratio and whether the goal holds."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """One row.

    Attributes:
        name: what was measured.
        ours: Capmart's figure.
        beside: the peer's, from the same run; None where there is no peer.
        unit: of both.
        goal: the largest ratio of ours to beside that is good; None where there is no goal.
    """

    name: str
    ours: float
    beside: float | None
    unit: str
    goal: float | None

    @property
    def ratio(self) -> float | None:
        """Ours over the peer's."""
        return self.ours / self.beside if self.beside else None

    @property
    def holds(self) -> bool | None:
        """Whether the ratio is within the goal; None where nothing can be said."""
        return None if self.ratio is None or self.goal is None else self.ratio <= self.goal


def table(figures: Sequence[Figure]) -> str:
    """The figures for a terminal."""
    lines = [("figure", "ours", "beside", "ratio", "goal", "holds")]
    lines += [
        (
            one.name,
            f"{one.ours:.3g} {one.unit}",
            "-" if one.beside is None else f"{one.beside:.3g} {one.unit}",
            _fraction(one.ratio),
            _fraction(one.goal),
            {True: "yes", False: "NO", None: "-"}[one.holds],
        )
        for one in figures
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(6)]
    return "\n".join(" | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def save(figures: Sequence[Figure], path: Path, **facts: str) -> None:
    """The figures as JSON, with what they were measured on."""
    rows = [{**asdict(one), "ratio": one.ratio, "holds": one.holds} for one in figures]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**facts, "figures": rows}, indent=2, ensure_ascii=False) + "\n", "utf-8")


def median(values: Sequence[float]) -> float:
    """The middle of the values."""
    return statistics.median(values)


def _fraction(value: float | None) -> str:
    if value is None:
        return "-"
    return f"1/{1 / value:.0f}" if 0 < value < 0.2 else f"{value:.2f}"
