"""Identifiers, texts, times and the error tree."""

from __future__ import annotations

import inspect
import string
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capmart_core import errors
from capmart_core.errors import CapmartError, InvalidIdentifier
from capmart_core.identifiers import (
    ComponentId,
    Runtime,
    check_action,
    check_digest,
    check_namespace,
    check_origin,
    digest_of,
)
from capmart_core.times import format_utc, now_utc, parse_utc


@given(text=st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?/[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True))
def test_given_a_component_id_when_read_then_it_has_one_spelling(text: str) -> None:
    assert str(ComponentId.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "oee", "acme/", "/oee", "acme/oee/x", "Acme/oee", "acme/-oee", "acme/oee-", "acme/o_e", "аcme/oee",
     "acme/oee\n", "../oee", "a" * 65 + "/oee", "acme/oee@1"],
)  # fmt: skip
def test_given_what_is_no_component_id_when_read_then_refused(text: str) -> None:
    with pytest.raises(InvalidIdentifier):
        ComponentId.parse(text)


@pytest.mark.parametrize(
    ("needed", "offered", "runs"),
    [
        ("python3.11-any", "python3.11-manylinux_2_36-x86_64", True),
        ("python3.11-manylinux_2_28-x86_64", "python3.11-manylinux_2_36-x86_64", True),
        ("python3.11-manylinux_2_36-x86_64", "python3.11-manylinux_2_28-x86_64", False),
        ("python3.11-manylinux_2_28-x86_64", "python3.11-manylinux_2_36-aarch64", False),
        ("python3.12-any", "python3.11-manylinux_2_36-x86_64", False),
        ("python3.11-manylinux_2_9-x86_64", "python3.11-manylinux_2_28-x86_64", True),
        ("python3.11-manylinux_2_28-x86_64", "python3.11-any", False),
    ],
)
def test_given_two_runtimes_when_compared_then_a_newer_glibc_of_the_same_machine_runs_it(
    needed: str,
    offered: str,
    runs: bool,  # noqa: FBT001
) -> None:
    assert Runtime.parse(needed).runs_on(Runtime.parse(offered)) is runs
    assert str(Runtime.parse(needed)) == needed


@pytest.mark.parametrize(
    "text", ["", "python3", "python2.7-any", "python3.11", "python3.11-", "cpython3.11-any", "python3.11-any\n"]
)
def test_given_what_is_no_runtime_when_read_then_refused(text: str) -> None:
    with pytest.raises(InvalidIdentifier):
        Runtime.parse(text)


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (check_digest, digest_of(b""), "sha256:0"),
        (check_digest, digest_of(b"x"), "sha256:" + "G" * 64),
        (check_origin, "center.zhejiang.example", "Center.example"),
        (check_origin, "localhost/8000", "../x"),
        (check_namespace, "acme", "acme/oee"),
        (check_action, "calculate", "Calculate"),
        (check_action, "to_tce", "_x"),
    ],
)
def test_given_an_identifier_when_checked_then_only_the_good_one_passes(
    check: Callable[[str], str], good: str, bad: str
) -> None:
    assert check(good) == good
    with pytest.raises(InvalidIdentifier):
        check(bad)


@given(moment=st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9999, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_given_a_time_when_written_and_read_then_the_same_to_the_second(moment: datetime) -> None:
    assert parse_utc(format_utc(moment)) == moment.replace(microsecond=0)


@pytest.mark.parametrize("value", ["2026-01-31 08:30:00", "2026-01-31T08:30:00+08:00", "", 5, datetime(2026, 1, 1)])  # noqa: DTZ001
def test_given_another_spelling_of_a_time_when_read_then_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"time"):
        parse_utc(value)


def test_given_now_when_asked_then_it_is_utc_to_the_second() -> None:
    assert now_utc().tzinfo is UTC
    assert now_utc().microsecond == 0


LEAVES = [
    error
    for _, error in inspect.getmembers(errors, inspect.isclass)
    if issubclass(error, CapmartError) and error is not CapmartError
]


@pytest.mark.parametrize("error", LEAVES, ids=lambda error: error.__name__)
def test_given_an_error_when_its_data_is_given_then_it_speaks_both_languages(error: type[CapmartError]) -> None:
    templates = (error.en, error.zh, error.advice_en, error.advice_zh)
    names = [{name for _, name, _, _ in string.Formatter().parse(text) if name} for text in templates]
    raised = error(**dict.fromkeys(set().union(*names), "x"))

    assert names[0] == names[1]
    assert names[2] == names[3]
    assert raised.message("zh")
    assert bool(raised.advice("zh")) == bool(raised.advice("en"))
    assert error.__name__ in (errors.__doc__ or "")
    assert raised.exit_code > 1


def test_given_all_errors_when_their_codes_are_compared_then_each_is_its_own() -> None:
    codes = [error.code for error in LEAVES]

    assert sorted({code for code in codes if codes.count(code) > 1}) == []
