from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from capmart_core.errors import (
    Busy,
    CapmartError,
    CenterUnavailable,
    Conflict,
    InvalidInput,
    KeyNotGranted,
    NotAllowed,
    NotAuthenticated,
    NotFound,
)
from capmart_sdk.client.problems import error_by_code, error_from

CENTER = "https://center.example"
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


def error(status: int, document: Any, **headers: str) -> CapmartError:
    return error_from(status, document, center=CENTER, headers=headers)


def test_a_known_code_comes_back_as_the_same_error_in_the_center_s_words() -> None:
    found = error(403, {"code": "key_not_granted", "detail": "密钥未登记", "advice": "请登记"})
    assert isinstance(found, KeyNotGranted)
    assert (found.message("zh"), found.advice("zh"), found.exit_code) == ("密钥未登记", "请登记", 3)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, InvalidInput),
        (401, NotAuthenticated),
        (403, NotAllowed),
        (404, NotFound),
        (409, Conflict),
        (429, Busy),
        (500, CenterUnavailable),
        (502, CenterUnavailable),
        (503, Busy),
    ],
)
def test_an_answer_without_a_code_is_judged_by_its_status(status: int, expected: type[CapmartError]) -> None:
    assert type(error(status, None)) is expected


def test_a_message_of_oci_distribution_is_shown() -> None:
    said = error(404, {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}).message("en")
    assert "MANIFEST_UNKNOWN manifest unknown" in said


@given(st.integers(400, 599), ANY_JSON)
def test_whatever_a_center_answers_gives_an_error_that_can_be_shown(status: int, document: Any) -> None:
    found = error(status, document)
    assert isinstance(found, CapmartError)
    assert found.message("en")
    found.advice("zh")


def test_an_error_kept_with_its_values_is_made_again() -> None:
    values = {"what": "acme/oee@1.0.0", "keyid": "ab", "namespace": "acme"}
    found = error_by_code("key_not_granted", values, "kept words")
    assert type(found) is KeyNotGranted
    assert "capmart key add acme" in found.advice("en")


def test_an_error_kept_by_an_older_program_keeps_its_words() -> None:
    found = error_by_code("key_not_granted", {}, "kept words")
    assert isinstance(found, KeyNotGranted)
    assert found.message("en") == "kept words"
