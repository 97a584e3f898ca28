"""Choosing versions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capmart_core.errors import Unresolvable
from capmart_core.resolver import resolve
from capmart_core.versions import Range, parse_version

Shelf = dict[str, dict[str, dict[str, str]]]


class Ledger:
    """Releases and what they ask for: ``{component: {version: {component: range}}}``."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf

    def versions(self, component: str) -> list[str]:
        return list(self.shelf.get(component, {}))

    def dependencies(self, component: str, version: str) -> list[tuple[str, Range]]:
        return [(name, Range.parse(text)) for name, text in self.shelf[component][version].items()]


def ask(shelf: Shelf, *wanted: str, preferred: dict[str, str] | None = None) -> dict[str, str]:
    roots = [(name, Range.parse(text)) for name, _, text in (item.partition(" ") for item in wanted)]
    return resolve(roots, Ledger(shelf), preferred=preferred)


SHELF: Shelf = {
    "a/app": {"1.0.0": {"a/lib": "^1.0"}, "2.0.0": {"a/lib": "^2.0", "a/base": "*"}},
    "a/lib": {"1.0.0": {}, "1.5.0": {"a/base": "^1"}, "2.0.0": {"a/base": "^2"}, "3.0.0-rc.1": {}},
    "a/base": {"1.0.0": {}, "2.0.0": {}},
}


def test_given_a_range_when_resolved_then_highest_versions_with_dependencies_first() -> None:
    chosen = ask(SHELF, "a/app *")

    assert chosen == {"a/base": "2.0.0", "a/lib": "2.0.0", "a/app": "2.0.0"}
    assert list(chosen) == ["a/base", "a/lib", "a/app"]


def test_given_a_newer_version_that_cannot_be_kept_when_resolved_then_goes_back_to_an_older_one() -> None:
    assert ask(SHELF, "a/app *", "a/base ^1") == {"a/base": "1.0.0", "a/lib": "1.5.0", "a/app": "1.0.0"}


def test_given_a_lock_when_resolved_then_its_versions_stay_where_the_ranges_allow() -> None:
    assert ask(SHELF, "a/lib *", preferred={"a/lib": "1.0.0"}) == {"a/lib": "1.0.0"}
    assert ask(SHELF, "a/lib ^2", preferred={"a/lib": "1.0.0"})["a/lib"] == "2.0.0"


def test_given_ranges_that_exclude_each_other_when_resolved_then_the_reason_names_who_asks_for_what() -> None:
    with pytest.raises(Unresolvable) as caught:
        ask(SHELF, "a/app ^2", "a/lib ^1")

    assert "a/lib ^1" in caught.value.message("en")
    assert "a/app@2.0.0 → a/lib ^2.0" in caught.value.message("zh")
    assert "2.0.0, 1.5.0, 1.0.0" in caught.value.message("zh")


def test_given_an_unknown_component_when_resolved_then_said_to_have_no_version() -> None:
    with pytest.raises(Unresolvable, match="a/none: ∅"):
        ask(SHELF, "a/none ^1")


def test_given_components_in_a_circle_when_resolved_then_refused_naming_the_circle() -> None:
    shelf: Shelf = {"a/x": {"1.0.0": {"a/y": "*"}}, "a/y": {"1.0.0": {"a/x": "*"}}}

    with pytest.raises(Unresolvable, match=r"a/x → a/y → a/x|a/y → a/x → a/y"):
        ask(shelf, "a/x *")


def test_given_a_prerelease_when_not_asked_for_then_not_chosen() -> None:
    assert ask(SHELF, "a/lib *")["a/lib"] == "2.0.0"
    assert ask(SHELF, "a/lib ^3.0.0-rc.0")["a/lib"] == "3.0.0-rc.1"


NAMES = ["n/a", "n/b", "n/c", "n/d"]
VERSION = st.sampled_from(["1.0.0", "1.1.0", "2.0.0"])
RANGE = st.sampled_from(["*", "^1", "^2", ">=1.1", "=1.0.0"])


@st.composite
def shelves(draw: st.DrawFn) -> Shelf:
    shelf: Shelf = {}
    for position, name in enumerate(NAMES):
        later = st.dictionaries(st.sampled_from(NAMES[position + 1 :] or ["n/e"]), RANGE, max_size=2)
        shelf[name] = draw(st.dictionaries(VERSION, later, max_size=3))
    return shelf


@given(shelf=shelves(), wanted=st.dictionaries(st.sampled_from(NAMES), RANGE, min_size=1))
def test_given_any_shelf_when_resolved_then_every_range_is_kept_or_refused(
    shelf: Shelf, wanted: dict[str, str]
) -> None:
    try:
        chosen = ask(shelf, *(f"{name} {text}" for name, text in wanted.items()))
    except Unresolvable:
        return
    asked = [*wanted.items(), *(item for name, version in chosen.items() for item in shelf[name][version].items())]
    for name, text in asked:
        assert Range.parse(text).matches(parse_version(chosen[name]))
    order = list(chosen)
    for name, version in chosen.items():
        assert all(order.index(needed) < order.index(name) for needed in shelf[name][version])
