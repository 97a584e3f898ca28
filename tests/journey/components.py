"""The first-party components that make the journey, and what each must answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.processes import REPOSITORY


@dataclass(frozen=True)
class Traveller:
    """One component.

    Attributes:
        id: ``namespace/name``.
        project: its author's folder.
        action: that the enterprise calls.
        example: its input, a file of the project.
        expected: values by path in the answer, each with the digits to which it must agree.
        en: what the answer says.
        zh: the same in Chinese; both with a place for the number.
        application: whether it has a page.
    """

    id: str
    project: Path
    action: str
    example: str
    expected: Mapping[str, tuple[float, int]]
    en: str
    zh: str
    application: bool = False

    @property
    def input(self) -> Path:
        """The example's file."""
        return self.project / "examples" / self.example


TRAVELLERS = (
    Traveller(
        id="capmart/oee",
        project=REPOSITORY / "plugins/tools/oee",
        action="calculate",
        example="published.in.json",
        expected={"oee": (0.7479, 4)},
        en="OEE of the published example: {0:.4f}",
        zh="公开算例的设备综合效率 OEE：{0:.4f}",
    ),
    Traveller(
        id="capmart/energy-factors",
        project=REPOSITORY / "plugins/knowledge/energy-factors",
        action="convert",
        example="electricity.in.json",
        expected={"tco2": (515.3, 1)},
        en="CO2 of 1 GWh in Zhejiang, 2022: {0:.1f} t",
        zh="浙江 2022 年 1 GWh 用电的二氧化碳排放：{0:.1f} 吨",
    ),
    Traveller(
        id="capmart/supply-demand",
        project=REPOSITORY / "plugins/applications/supply-demand",
        action="assign",
        example="matrix.in.json",
        expected={"total": (5, 0)},
        en="cost of the best assignment: {0:.0f}",
        zh="最优指派的总成本：{0:.0f}",
        application=True,
    ),
)


def value_at(answer: Any, path: str) -> float:
    """The number at a dotted path of an answer."""
    for part in path.split("."):
        answer = answer[part]
    return float(answer)


def check_answer(traveller: Traveller, answer: Any) -> list[float]:
    """The numbers that the answer is about.

    Raises:
        AssertionError: one is not what was expected.
    """
    values = []
    for path, (expected, digits) in traveller.expected.items():
        value = value_at(answer, path)
        if round(value, digits) != expected:
            raise AssertionError(f"{traveller.id}: {path} is {value}, not {expected}: {json.dumps(answer)[:500]}")
        values.append(value)
    return values
