"""Comparing answers with what an example says, and values with schemas."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capmart_core.errors import InvalidSchema
from capmart_core.examples import differences
from capmart_core.schemas import Schema, schema_faults

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.floats(-1e6, 1e6) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(value=JSON)
def test_given_the_same_answer_when_compared_then_no_difference(value: Any) -> None:
    assert differences(value, value) == []


@pytest.mark.parametrize(
    ("expected", "actual", "tolerance", "places"),
    [
        (0.7479, 0.74791, 1e-4, []),
        (0.7479, 0.7489, 1e-4, [""]),
        (1, 1.0, 0.0, []),
        (1, True, 0.0, [""]),
        (0, 1e-9, 1e-6, []),
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, 0.0, ["a[1].b"]),
        ({"a": 1}, {"a": 1, "c": 2}, 0.0, ["c"]),
        ([1, 2], [1], 0.0, [""]),
        ("1", 1, 0.0, [""]),
        (None, 0, 0.0, [""]),
    ],
)
def test_given_an_answer_when_compared_then_differences_are_named_by_place(
    expected: Any, actual: Any, tolerance: float, places: list[str]
) -> None:
    assert [difference.path for difference in differences(expected, actual, tolerance=tolerance)] == places


def test_given_a_long_answer_all_wrong_when_compared_then_not_every_place_is_listed() -> None:
    assert len(differences([0] * 10_000, [1] * 10_000)) == 50


def test_given_a_value_when_it_does_not_match_then_faults_have_places_and_both_languages() -> None:
    schema = Schema(
        {
            "type": "object",
            "properties": {"n": {"type": "integer", "minimum": 3}, "items": {"items": {"type": "string"}}},
            "required": ["n", "k"],
            "additionalProperties": False,
        }
    )

    faults = schema.faults({"n": 1, "items": ["a", 2], "x": 0})

    assert {(fault.path, fault.keyword) for fault in faults} == {
        ("", "required"),
        ("n", "minimum"),
        ("items[1]", "type"),
        ("", "additionalProperties"),
    }
    assert {fault.message.zh for fault in faults} >= {"缺少必填字段 k", "1 小于下限 3", "有未定义的字段 x"}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "objct"},
        {"$ref": "http://127.0.0.1:1/secret.json"},
        {"$ref": "file:///etc/passwd"},
        {"$ref": "#/nowhere"},
        {"pattern": "(a+)+$("},
        {"pattern": "(?=x)y"},
    ],
)
def test_given_a_schema_that_reaches_out_or_is_wrong_when_compiled_then_refused(schema: dict[str, Any]) -> None:
    assert schema_faults(schema)
    with pytest.raises(InvalidSchema):
        Schema(schema)


def test_given_a_pattern_that_would_backtrack_for_ever_when_matched_then_it_ends_at_once() -> None:
    assert not Schema({"pattern": "^(a+)+$"}).matches("a" * 5000 + "!")


def test_given_too_many_faults_when_listed_then_only_the_first() -> None:
    assert len(Schema({"items": {"type": "string"}}).faults([0] * 1000, limit=5)) == 5
