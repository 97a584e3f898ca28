"""Actions are called as the sandbox calls them: JSON in, JSON out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from capmart_component import ActionError
from capmart_component.testing import call

import __MODULE__

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_given_the_example_when_called_then_its_output() -> None:
    given = json.loads((EXAMPLES / "five.in.json").read_text("utf-8"))
    expected = json.loads((EXAMPLES / "five.out.json").read_text("utf-8"))

    assert call(__MODULE__, "describe", given) == pytest.approx(expected)


def test_given_limits_the_wrong_way_round_when_called_then_refused() -> None:
    with pytest.raises(ActionError, match="above the upper limit"):
        call(__MODULE__, "describe", {"values": [1], "lower": 2, "upper": 1})
