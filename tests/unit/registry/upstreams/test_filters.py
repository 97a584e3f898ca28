from __future__ import annotations

import pytest

from capmart_core.errors import InvalidIdentifier, InvalidRequest
from capmart_registry.upstreams.filters import EVERYTHING, Filters


@pytest.mark.parametrize(
    ("filters", "lets_in"),
    [
        (EVERYTHING, True),
        (Filters(kinds=("tool",)), True),
        (Filters(kinds=("knowledge",)), False),
        (Filters(industries=("17", "34")), True),
        (Filters(industries=("17",)), False),
        (Filters(scenarios=("sales",)), True),  # it names no scenario, so it is meant for all
        (Filters(namespaces=("acme",), kinds=("tool",)), True),
        (Filters(namespaces=("other",)), False),
    ],
)
def test_given_filters_then_every_one_of_them_must_fit(filters: Filters, *, lets_in: bool) -> None:
    assert filters.fits("tool", ("34",), (), "acme") is lets_in


def test_given_a_code_that_no_taxonomy_has_then_it_is_named() -> None:
    with pytest.raises(InvalidRequest, match="99"):
        Filters(industries=("99",)).check()
    with pytest.raises(InvalidIdentifier):
        Filters(namespaces=("No Such",)).check()
    Filters(kinds=("tool",), industries=("34",), scenarios=("production",), namespaces=("acme",)).check()
