from __future__ import annotations

import json
import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capmart_core.canonical import canonical_bytes, parse_json
from capmart_core.errors import InvalidJson

MAX = 1_000_000

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda below: (
        st.lists(below, max_size=5)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), below, max_size=5)
    ),
    max_leaves=20,
)


def test_given_the_example_of_rfc_8785_then_its_published_bytes_come_out() -> None:
    value = json.loads(
        r"""{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
             "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}"""
    )
    expected = (
        r'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        r'"string":"€$\u000f\nA' + "'" + r'B\"\\\\\"/"}'
    )
    assert canonical_bytes(value) == expected.encode()


@given(json_values)
def test_given_any_json_when_spelled_and_read_then_it_is_equal_and_its_spelling_is_stable(value: object) -> None:
    spelled = canonical_bytes(value)
    read = parse_json(spelled, what="value", max_bytes=MAX)
    assert read == value
    assert canonical_bytes(read) == spelled


@pytest.mark.parametrize("value", [math.nan, math.inf, 2**53, "\ud800", {1: "number as a name"}, object()])
def test_given_what_json_cannot_spell_then_it_is_refused(value: object) -> None:
    with pytest.raises(InvalidJson):
        canonical_bytes(value)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"a": 1, "a": 2}', "twice"),
        (b"NaN", "NaN"),
        (b"[-Infinity]", "Infinity"),
        (b"1e999", "too large"),
        (b"\xff", "utf-8"),
        (b'"\\ud800"', "surrogates"),
        (b'{"\\udfff": 1}', "surrogates"),
        (b"[1,]", "Expecting|trailing"),
        (b"9" * 5000, "digits"),
        (b"9007199254740993", "beyond"),
        (b"-" + b"9" * 400, "beyond"),
        (b"[" * 100_000 + b"]" * 100_000, "deeper than 64"),
        (b'{"a":' * 50_000, "deeper than 64"),
        (b" " * 300_001, "larger than 300000"),
        (b"", "Expecting"),
        (b"{}{}", "Extra data"),
        (b"\xef\xbb\xbf{}", "BOM"),
    ],
)
def test_given_hostile_bytes_then_they_are_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(InvalidJson, match=reason):
        parse_json(data, what="upload", max_bytes=300_000)


@pytest.mark.parametrize(("depth", "allowed"), [(64, True), (65, False)])
def test_given_nesting_at_the_limit_then_the_limit_is_exact(depth: int, allowed: bool) -> None:  # noqa: FBT001  # table
    data = b"[" * depth + b"]" * depth
    if allowed:
        parse_json(data, what="upload", max_bytes=MAX)
    else:
        with pytest.raises(InvalidJson):
            parse_json(data, what="upload", max_bytes=MAX)


@given(st.binary(max_size=200))
def test_given_any_bytes_then_nothing_but_a_value_or_our_error_comes_out(data: bytes) -> None:
    with suppress(InvalidJson):
        parse_json(data, what="upload", max_bytes=MAX)
