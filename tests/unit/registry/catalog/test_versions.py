from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from semver import Version

from capmart_registry.catalog.versions import newest_first, sort_key

numbers = st.integers(0, 10**12)
identifiers = st.one_of(
    st.integers(0, 10**6).map(str), st.from_regex(r"[0-9A-Za-z-]*[A-Za-z-][0-9A-Za-z-]*", fullmatch=True)
)
versions = st.builds(
    Version,
    numbers,
    numbers,
    numbers,
    prerelease=st.one_of(st.none(), st.lists(identifiers, min_size=1, max_size=3).map(".".join)),
)


@given(versions, versions)
def test_given_two_versions_then_their_keys_sort_as_they_do(one: Version, other: Version) -> None:
    expected = (one > other) - (one < other)
    first, second = sort_key(one).encode(), sort_key(other).encode()
    assert (first > second) - (first < second) == expected


def test_given_the_order_of_semver_org_then_it_is_kept() -> None:
    order = ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0"]
    assert newest_first(order) == order[::-1]
    assert sorted(order, key=lambda text: sort_key(Version.parse(text))) == order
