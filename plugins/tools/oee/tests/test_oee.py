"""Reference values, refusals and the summary, called as the sandbox calls them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import capmart_oee
import pytest

from capmart_component import ActionError
from capmart_component.testing import call

EXAMPLES = Path(__file__).parents[1] / "examples"
PUBLISHED: dict[str, Any] = json.loads((EXAMPLES / "published.in.json").read_text("utf-8"))


def test_given_the_published_example_when_calculated_then_its_published_results() -> None:
    result = call(capmart_oee, "calculate", PUBLISHED)

    assert {name: round(result[name], 4) for name in ("availability", "performance", "quality", "oee")} == {
        "availability": 0.8881,
        "performance": 0.8611,
        "quality": 0.9780,
        "oee": 0.7479,
    }
    assert sum(result["losses"].values()) == pytest.approx(420)
    assert result["notes"] == []


@pytest.mark.parametrize("name", ["published:calculate", "machines:summarise"])
def test_given_an_example_of_the_manifest_when_called_then_its_output(name: str) -> None:
    file, action = name.split(":")
    given = json.loads((EXAMPLES / f"{file}.in.json").read_text("utf-8"))
    expected = json.loads((EXAMPLES / f"{file}.out.json").read_text("utf-8"))

    assert call(capmart_oee, action, given) == expected


@pytest.mark.parametrize(
    ("changes", "zh", "en"),
    [
        ({"good_quantity": 19_272}, "合格品数 19272 大于总产量 19271", "greater than the produced quantity"),
        ({"actual_production_time": 421}, "大于计划工作时间", "longer than the planned busy time"),
        ({"actual_production_time": 0}, "实际生产时间为 0", "no actual production time"),
        ({"good_quantity": -1}, "good_quantity：应 ≥ 0", "good_quantity: must be ≥ 0"),
        ({"planned_busy_time": 0}, "planned_busy_time：应 > 0", "planned_busy_time: must be > 0"),
        ({"produced_quantity": 1.5}, "应为整数", "expected an integer"),
        ({"ideal_cycle_time": None}, "应为数字", "expected a number"),
    ],
)
def test_given_input_that_cannot_be_when_calculated_then_refused_with_the_reason(
    changes: dict[str, Any], zh: str, en: str
) -> None:
    with pytest.raises(ActionError) as refusal:
        call(capmart_oee, "calculate", {**PUBLISHED, **changes})

    assert zh in refusal.value.zh
    assert en in refusal.value.en


def test_given_nothing_produced_when_calculated_then_zero_and_a_remark() -> None:
    result = call(
        capmart_oee,
        "calculate",
        {**PUBLISHED, "actual_production_time": 0, "produced_quantity": 0, "good_quantity": 0},
    )

    assert (result["oee"], result["quality"], result["performance"]) == (0, 0, 0)
    assert "Nothing was produced" in result["notes"][0]["en"]


def test_given_a_cycle_that_is_too_long_when_calculated_then_a_remark_and_no_cap() -> None:
    result = call(capmart_oee, "calculate", {**PUBLISHED, "ideal_cycle_time": 2})

    assert result["performance"] > 1
    assert "节拍" in result["notes"][0]["zh"]


def test_given_a_bad_row_when_summarised_then_its_number_and_machine() -> None:
    row = {**PUBLISHED, "unit": "press 3"}
    with pytest.raises(ActionError) as refusal:
        call(capmart_oee, "summarise", {"rows": [row, {**row, "good_quantity": 20_000}]})

    assert refusal.value.en.startswith("row 2 (press 3): the good quantity")


def test_given_the_same_row_twice_when_summarised_then_the_ratios_stay() -> None:
    row = {**PUBLISHED, "unit": "press 3"}
    summary = call(capmart_oee, "summarise", {"rows": [row, {**row, "unit": "press 4"}]})

    assert summary["total"]["oee"] == pytest.approx(summary["rows"][0]["result"]["oee"])
    assert [found["unit"] for found in summary["units"]] == ["press 3", "press 4"]
