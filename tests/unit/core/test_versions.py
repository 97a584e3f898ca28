"""Versions and ranges."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from semver import Version

from capmart_core.errors import InvalidRange, InvalidVersion
from capmart_core.versions import Range, parse_version

NUMBER = st.integers(0, 30)
PRE = st.sampled_from(["", "-alpha", "-alpha.1", "-rc.1", "-rc.2", "-0"])
VERSIONS = st.builds("{}.{}.{}{}".format, NUMBER, NUMBER, NUMBER, PRE)
BOUND = st.one_of(st.builds("{}".format, NUMBER), st.builds("{}.{}".format, NUMBER, NUMBER), VERSIONS)
CLAUSE = st.builds("{}{}".format, st.sampled_from(["^", "~", ">=", "<=", ">", "<", "=", "==", "", ">= "]), BOUND)
RANGES = st.lists(CLAUSE, min_size=1, max_size=3).map(", ".join) | st.just("*")


@given(text=VERSIONS)
def test_given_a_version_when_read_then_it_has_one_spelling(text: str) -> None:
    assert str(parse_version(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "1", "1.0", "1.0.0.0", "v1.0.0", "1.0.0+build", "01.0.0", "1.0.0-", "1.0.0-a..b", "1.0.0\n", " 1.0.0",
     "１.0.0", "1.0.0-01", "-1.0.0", "1.0.x", "9" * 200 + ".0.0"],
)  # fmt: skip
def test_given_what_is_no_version_when_read_then_refused(text: str) -> None:
    with pytest.raises(InvalidVersion):
        parse_version(text)


@given(text=st.text(max_size=30))
def test_given_any_text_when_read_then_a_version_or_refused(text: str) -> None:
    with suppress(InvalidVersion):
        assert str(parse_version(text)) == text


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("^1.2", "1.2.0 1.9.9 1.2.1", "1.1.9 2.0.0 2.0.0-rc.1 0.9.0"),
        ("^1.2.3", "1.2.3 1.3.0", "1.2.2 2.0.0"),
        ("^0.2.3", "0.2.3 0.2.9", "0.3.0 0.2.2 1.0.0"),
        ("^0.0.3", "0.0.3", "0.0.4 0.0.2"),
        ("^0.0", "0.0.0 0.0.9", "0.1.0"),
        ("^0", "0.0.0 0.9.9", "1.0.0"),
        ("~1.2.3", "1.2.3 1.2.9", "1.3.0 1.2.2"),
        ("~1.2", "1.2.0 1.2.9", "1.3.0"),
        ("~1", "1.0.0 1.9.0", "2.0.0 0.9.0"),
        (">=1.0,<2.0", "1.0.0 1.9.9", "0.9.9 2.0.0 2.0.0-rc.1"),
        (">1.2", "1.3.0", "1.2.9"),
        ("<=1.2", "1.2.9 0.1.0", "1.3.0"),
        ("1.2", "1.2.0 1.2.9", "1.3.0"),
        ("=1.4.0", "1.4.0", "1.4.1 1.4.0-rc.1"),
        ("*", "0.0.0 99.0.0", "1.0.0-rc.1"),
        (">=1.0.0-rc.1,<2", "1.0.0-rc.1 1.0.0-rc.2 1.0.0", "1.0.0-beta 1.1.0-rc.1"),
        ("^1.0.0-rc.1", "1.0.0-rc.1 1.5.0", "1.5.0-rc.1 2.0.0-rc.1"),
    ],
)
def test_given_a_range_when_matched_then_it_holds_what_people_expect(text: str, inside: str, outside: str) -> None:
    wanted = Range.parse(text)

    assert [version for version in inside.split() if not wanted.matches(parse_version(version))] == []
    assert [version for version in outside.split() if wanted.matches(parse_version(version))] == []


@pytest.mark.parametrize(
    "text",
    ["", ",", "^", "^1.2.3.4", "1.x", ">=", "latest", "^1.2-rc", "1 2", "^^1", "=>1", "1" * 200, "٣.0.0",
     "~1.0.0-..", "1.0.0-01", "^01.0.0"],
)  # fmt: skip
def test_given_what_is_no_range_when_read_then_refused(text: str) -> None:
    with pytest.raises(InvalidRange):
        Range.parse(text)


@given(text=st.text(alphabet="0123456789.^~<>=,- *xrc", max_size=30))
def test_given_any_text_when_read_as_range_then_a_range_or_refused(text: str) -> None:
    try:
        wanted = Range.parse(text)
    except InvalidRange:
        return
    assert str(wanted) == text
    wanted.matches(Version(1, 2, 3))


@given(text=RANGES, versions=st.lists(VERSIONS, max_size=20))
def test_given_versions_when_the_best_is_chosen_then_it_matches_and_none_that_matches_is_higher(
    text: str, versions: list[str]
) -> None:
    wanted, parsed = Range.parse(text), [parse_version(version) for version in versions]

    best = wanted.best(parsed)

    matching = [version for version in parsed if wanted.matches(version)]
    assert best is None if not matching else best == max(matching)


@given(bound=VERSIONS, other=VERSIONS)
def test_given_a_caret_when_a_release_matches_then_no_left_part_changed(bound: str, other: str) -> None:
    low, version = parse_version(bound), parse_version(other)
    if Range.parse(f"^{bound}").matches(version):
        kept = next((i for i, part in enumerate(low.to_tuple()[:3]) if part), 2)
        assert version.to_tuple()[: kept + 1] == low.to_tuple()[: kept + 1]
        assert version >= low
