"""The table is found through ``CAPMART_FILES``; in the sandbox it is mounted read-only."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from capmart_component import ActionError
from capmart_component.testing import call

import __MODULE__

PROJECT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPMART_FILES", str(PROJECT / "files"))


def test_given_the_example_when_searched_then_its_output() -> None:
    given = json.loads((PROJECT / "examples/word.in.json").read_text("utf-8"))
    expected = json.loads((PROJECT / "examples/word.out.json").read_text("utf-8"))

    assert call(__MODULE__, "search", given) == expected


def test_given_a_code_when_looked_up_then_its_term() -> None:
    assert call(__MODULE__, "lookup", {"code": "apt"})["zh"] == "实际生产时间"


def test_given_an_unknown_code_when_looked_up_then_refused() -> None:
    with pytest.raises(ActionError, match="no code XYZ"):
        call(__MODULE__, "lookup", {"code": "XYZ"})
