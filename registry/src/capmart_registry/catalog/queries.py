"""Questions to the catalog: lists with facets, one component, one release, one namespace."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlmodel import Session, col, select

from capmart_core.canonical import canonical_bytes, parse_json
from capmart_core.errors import ComponentNotFound, InvalidInput, InvalidRequest, NotFound
from capmart_core.identifiers import ComponentId, check_namespace
from capmart_core.text import Text
from capmart_registry.catalog.facets import FACETS, code_title
from capmart_registry.catalog.models import Component, LedgerKey, LedgerNamespace, ManifestBody, Release
from capmart_registry.catalog.views import (
    ComponentList,
    ComponentSummary,
    ComponentView,
    FacetValue,
    Json,
    KeyView,
    NamespaceView,
    ReleaseDetail,
    ReleaseView,
    TaxonomyView,
)
from capmart_registry.search.index import MAX_OFFSET, SearchQuery, Sort
from capmart_registry.search.reader import SearchReader

SHOWN_STATES = ("listed", "deprecated")
"""States of components that lists show unless asked otherwise."""

MAX_MANIFEST_BYTES = 4 << 20
MAX_FILTER_VALUES = 50


@dataclass(frozen=True)
class ListQuery:
    """What a person asks of the list of components.

    Attributes:
        text: free text, any length; only its beginning counts.
        filters: codes by facet, for example ``{"kind": ("tool",)}``; the facets are :data:`.facets.FACETS`.
        sort: ``relevance`` when there is text, otherwise ``newest``.
        cursor: ``next`` of the page before.
    """

    text: str = ""
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    states: tuple[str, ...] = SHOWN_STATES
    sort: Sort | None = None
    cursor: str | None = None
    limit: int = 20


def list_components(session: Session, search: SearchReader, query: ListQuery) -> ComponentList:
    """One page of the components that match, with facets.

    Raises:
        InvalidRequest: the cursor is none of this list's.
    """
    offset = _offset(query.cursor)
    answer = search.ask(
        SearchQuery(query.text, query.filters, query.states, query.sort, offset=offset, limit=query.limit)
    )
    rows = {row.id: row for row in session.exec(select(Component).where(col(Component.id).in_(answer.ids)))}
    # A row that is gone or hidden since the index was written is left out; the index catches up within a second.
    items = tuple(
        _summary(row)
        for row in (rows.get(one) for one in answer.ids)
        if row is not None and row.latest and row.state in query.states
    )
    following = offset + len(answer.ids)
    more = answer.ids and following < min(answer.total, MAX_OFFSET)
    facets = {
        name: tuple(FacetValue(code=code, title=code_title(name, code), count=count) for code, count in values)
        for name, values in answer.facets.items()
        if name in FACETS
    }
    return ComponentList(items=items, total=answer.total, facets=facets, next=_cursor(following) if more else None)


def find_component(session: Session, component_id: str) -> ComponentView:
    """One component and its releases, taken-down ones among them, so that everyone sees that they are gone.

    Raises:
        ComponentNotFound: the catalog has none of that name.
    """
    row = session.get(Component, _checked(component_id))
    if row is None or row.latest is None:
        raise ComponentNotFound(wanted=component_id[:200], center="the catalog")
    found = select(Release).where(Release.component_id == row.id).order_by(col(Release.sort_key).desc())
    releases = list(session.exec(found))
    best = next(release for release in releases if release.version == row.latest)
    return ComponentView(
        id=row.id,
        kind=row.kind,
        home=row.home,
        latest=row.latest,
        state=row.state,
        manifest=manifest_json(session, best.config),
        releases=tuple(ReleaseView(**release_fields(release)) for release in releases),
    )


def revision_of(session: Session, component_id: str) -> int:
    """The catalog's revision when the component last changed.

    Raises:
        ComponentNotFound: the catalog has none of that name.
    """
    found = select(Component.revision).where(Component.id == _checked(component_id), col(Component.latest).is_not(None))
    revision = session.exec(found).first()
    if revision is None:
        raise ComponentNotFound(wanted=component_id[:200], center="the catalog")
    return revision


def find_release(session: Session, component_id: str, version: str) -> ReleaseDetail:
    """One version. The findings of its review are added by the caller, who can read the report.

    Raises:
        ComponentNotFound: the catalog does not have it.
    """
    release = release_row(session, component_id, version)
    return ReleaseDetail(
        **release_fields(release),
        component=release.component_id,
        manifest=None if release.state == "taken_down" else manifest_json(session, release.config),
    )


def release_row(session: Session, component_id: str, version: str) -> Release:
    """The row of one version.

    Raises:
        ComponentNotFound: the catalog does not have it.
    """
    found = select(Release).where(Release.component_id == _checked(component_id), Release.version == version[:128])
    release = session.exec(found).first()
    if release is None:
        raise ComponentNotFound(wanted=f"{component_id[:200]}@{version[:128]}", center="the catalog")
    return release


def find_namespace(session: Session, namespace: str) -> NamespaceView:
    """A namespace, its home, its owner and its keys.

    Raises:
        NotFound: no log that is followed here grants it.
    """
    try:
        row = session.get(LedgerNamespace, check_namespace(namespace))
    except InvalidInput:
        row = None
    if row is None:
        raise NotFound(what=f"namespace {namespace[:100]}")
    keys = session.exec(
        select(LedgerKey).where(LedgerKey.namespace == row.namespace).order_by(col(LedgerKey.added_index))
    )
    return NamespaceView(
        namespace=row.namespace,
        home=row.home,
        organisation=row.organisation,
        keys=tuple(
            KeyView(keyid=key.keyid, key=key.key, added_index=key.added_index, revoked_from=key.revoked_from)
            for key in keys
        ),
    )


def namespaces_of(session: Session, home: str, organisation: str) -> list[str]:
    """Names of the namespaces that ``organisation`` owns in the log of ``home``."""
    found = select(LedgerNamespace.namespace).where(
        LedgerNamespace.home == home, LedgerNamespace.organisation == organisation
    )
    return sorted(session.exec(found))


def manifest_json(session: Session, config: str) -> Json | None:
    """A manifest by its digest; None when its body has not arrived yet."""
    body = session.get(ManifestBody, config)
    if body is None:
        return None
    value: Json = parse_json(body.data, what="manifest", max_bytes=MAX_MANIFEST_BYTES)
    return value


def release_fields(release: Release) -> Json:
    """A release's row as the fields of :class:`ReleaseView`."""
    reason = None
    if release.reason_zh and release.reason_en:
        reason = Text(zh=release.reason_zh, en=release.reason_en)
    return {
        "version": release.version,
        "state": release.state,
        "digest": release.digest,
        "config": release.config,
        "log_index": release.log_index,
        "home": release.home,
        "listed_at": release.listed_at,
        "reason": reason,
        "replacement": release.replacement,
        "deadline": release.deadline,
        "available": release.available,
        "report": release.report,
    }


def _summary(row: Component) -> ComponentSummary:
    return ComponentSummary(
        id=row.id,
        kind=row.kind,
        title=Text(zh=row.title_zh, en=row.title_en),
        summary=Text(zh=row.summary_zh, en=row.summary_en),
        version=row.latest or "",
        state=row.state,
        home=row.home,
        provider=Text(zh=row.provider_zh, en=row.provider_en),
        delivery=row.delivery,
        taxonomy=TaxonomyView.model_validate(row.taxonomy),
        listed_at=row.listed_at,
    )


def _checked(component_id: str) -> str:
    try:
        return str(ComponentId.parse(component_id))
    except InvalidInput as error:
        raise ComponentNotFound(wanted=component_id[:200], center="the catalog") from error


def _cursor(offset: int) -> str:
    return base64.urlsafe_b64encode(canonical_bytes({"o": offset})).decode().rstrip("=")


def _offset(cursor: str | None) -> int:
    if not cursor:
        return 0
    try:
        offset = json.loads(base64.urlsafe_b64decode(cursor[:64] + "==="))["o"]
    except (binascii.Error, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidRequest(where="cursor", reason="it is not the cursor of a list of components") from error
    if not isinstance(offset, int) or not 0 <= offset <= MAX_OFFSET:
        raise InvalidRequest(where="cursor", reason="it is not the cursor of a list of components")
    return offset
