from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from capmart_core.canonical import canonical_bytes
from capmart_core.errors import DigestMismatch, InvalidManifest, InvalidRequest, InvalidStatement, NotFound
from capmart_core.identifiers import digest_of
from capmart_core.signing import sign_statement
from capmart_core.statements import Publish
from capmart_core.times import now_utc
from capmart_registry.catalog import queries, service
from capmart_registry.catalog.queries import ListQuery
from capmart_registry.log import service as log
from tests.support.packages import manifest_json
from tests.support.registry import SmallCenter


@pytest.fixture
def small(tmp_path: Path) -> Iterator[SmallCenter]:
    with SmallCenter(tmp_path / "center") as center:
        yield center


def publish(small: SmallCenter, config: str, **changes: object) -> None:
    """A logged release whose manifest has not arrived, as it comes from an upstream."""
    fields = {
        "home": small.origin,
        "at": now_utc(),
        "component": "acme/sum",
        "version": "1.0.0",
        "digest": digest_of(b"package"),
        "config": config,
        "kind": "tool",
        "industries": ("34",),
        "scenarios": ("production",),
        "seq": 1,
    }
    with small.center.db.write() as session:
        log.append(small.center, session, sign_statement(Publish(**{**fields, **changes}), small.publisher))


def attach(small: SmallCenter, config: str, data: bytes) -> None:
    with small.center.db.write() as session:
        service.attach_manifest(session, config, data)


def test_given_a_release_without_its_manifest_then_it_is_shown_once_that_arrives(small: SmallCenter) -> None:
    data = canonical_bytes(manifest_json())
    publish(small, digest_of(data))
    with pytest.raises(NotFound):
        small.in_session(queries.find_component, "acme/sum")
    attach(small, digest_of(data), data)
    found = small.in_session(queries.find_component, "acme/sum")
    assert found.manifest == manifest_json()
    assert (found.latest, found.home) == ("1.0.0", small.origin)


@pytest.mark.parametrize(
    "changes",
    [{"id": "acme/other"}, {"version": "1.0.1"}, {"kind": "application"}, {"taxonomy": {"subkind": "analysis"}}],
)
def test_given_a_manifest_that_says_other_than_was_signed_then_it_is_refused(
    small: SmallCenter, changes: dict[str, object]
) -> None:
    data = canonical_bytes(manifest_json(**changes))
    publish(small, digest_of(data))
    with pytest.raises(InvalidStatement):
        attach(small, digest_of(data), data)


def test_given_altered_or_malformed_manifests_then_they_are_refused(small: SmallCenter) -> None:
    data = canonical_bytes(manifest_json())
    publish(small, digest_of(data))
    with pytest.raises(DigestMismatch):
        attach(small, digest_of(data), data + b" ")
    with pytest.raises(InvalidManifest) as caught:
        attach(small, digest_of(b"{}"), b"{}")
    assert len(caught.value.data["problems"]) > 3  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["acme/absent", "ACME/sum", "acme/../sum", "acme", "a/b/c", "acme/sum\x00"])
def test_given_a_name_that_nobody_has_then_it_is_not_found(small: SmallCenter, name: str) -> None:
    for ask in (queries.find_component, queries.revision_of):
        with pytest.raises(NotFound):
            small.in_session(ask, name)
    with pytest.raises(NotFound):
        small.in_session(queries.find_release, name, "1.0.0")
    with pytest.raises(NotFound):
        small.in_session(queries.find_namespace, f"no-{name}")


@pytest.mark.parametrize("cursor", ["x", "!!", "eyJvIjotMX0", "eyJvIjoiYSJ9", "W10"])
def test_given_a_cursor_of_ones_own_making_then_it_is_refused(small: SmallCenter, cursor: str) -> None:
    with pytest.raises(InvalidRequest):
        small.in_session(queries.list_components, small.center.search, ListQuery(cursor=cursor))


def test_given_a_namespace_then_its_owner_and_keys_are_told(small: SmallCenter) -> None:
    found = small.in_session(queries.find_namespace, "acme")
    assert (found.home, found.organisation) == (small.origin, "acme")
    assert [key.keyid for key in found.keys] == [small.publisher.public.keyid]
    assert small.in_session(queries.namespaces_of, small.origin, "acme") == ["acme"]
