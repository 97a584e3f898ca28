"""The catalog over HTTP. Answers are bytes with ETags; what has not changed is not built again."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from capmart_registry.catalog import queries
from capmart_registry.catalog.facets import FACETS
from capmart_registry.catalog.queries import MAX_FILTER_VALUES, ListQuery
from capmart_registry.catalog.views import ComponentList, ComponentView, NamespaceView, ReleaseDetail, View
from capmart_registry.dependencies import CenterDep, SessionDep
from capmart_registry.search.index import Sort
from capmart_registry.submissions import service as submissions

router = APIRouter(prefix="/api/v1", tags=["catalog"])

MAX_LIMIT = 100
_CACHE = "public, max-age=0, must-revalidate"
_Codes = Annotated[list[str], Field(max_length=MAX_FILTER_VALUES, description="codes, any of which fits")]


class ListParameters(BaseModel):
    """What may be asked of the list of components."""

    q: Annotated[str, Field(description="words in Chinese or English; the first 200 characters count")] = ""
    kind: _Codes = []
    subkind: _Codes = []
    industry: _Codes = []
    scenario: _Codes = []
    capability: _Codes = []
    delivery: _Codes = []
    home: _Codes = []
    namespace: _Codes = []
    sort: Annotated[Sort | None, Field(description="relevance when there are words, otherwise newest")] = None
    cursor: Annotated[str | None, Field(max_length=64, description="`next` of the page before")] = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 20


@router.get("/components", response_model=ComponentList)
def list_components(
    request: Request, center: CenterDep, session: SessionDep, given: Annotated[ListParameters, Query()]
) -> Response:
    """Components that match, a page at a time, with counts for every facet."""
    query = ListQuery(
        text=given.q,
        filters={facet: tuple(getattr(given, facet)) for facet in FACETS},
        sort=given.sort,
        cursor=given.cursor,
        limit=given.limit,
    )
    return _answer(request, _bytes(queries.list_components(session, center.search, query)))


@router.get("/components/{namespace}/{name}", response_model=ComponentView)
def get_component(request: Request, session: SessionDep, namespace: str, name: str) -> Response:
    """One component with its manifest and all its releases."""
    component_id = f"{namespace}/{name}"
    revision = queries.revision_of(session, component_id)
    etag = f'"c{revision}"'
    if _has(request, etag):
        return Response(status_code=304, headers={"ETag": etag, "Cache-Control": _CACHE})
    body = _recent.get(component_id, revision)
    if body is None:
        body = _bytes(queries.find_component(session, component_id))
        _recent.put(component_id, revision, body)
    return Response(body, 200, {"ETag": etag, "Cache-Control": _CACHE}, "application/json")


@router.get("/components/{namespace}/{name}/releases/{version}", response_model=ReleaseDetail)
def get_release(
    request: Request, center: CenterDep, session: SessionDep, *, namespace: str, name: str, version: str
) -> Response:
    """One release with its manifest and what the checks found."""
    found = queries.find_release(session, f"{namespace}/{name}", version)
    checks = submissions.checks_of(center, found.report)
    detail = found.model_copy(update={"checks": tuple(check.model_dump(mode="json") for check in checks)})
    return _answer(request, _bytes(detail))


@router.get("/namespaces/{namespace}", response_model=NamespaceView)
def get_namespace(request: Request, session: SessionDep, namespace: str) -> Response:
    """A namespace, its home, its owner and its keys."""
    return _answer(request, _bytes(queries.find_namespace(session, namespace)))


class _Recent:
    """Answers built lately, by component and revision. Safe to use from several threads."""

    def __init__(self, most: int = 1000) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._bodies: OrderedDict[str, tuple[int, bytes]] = OrderedDict()

    def get(self, component_id: str, revision: int) -> bytes | None:
        with self._lock:
            known = self._bodies.get(component_id)
            if known is None or known[0] != revision:
                return None
            self._bodies.move_to_end(component_id)
            return known[1]

    def put(self, component_id: str, revision: int, body: bytes) -> None:
        with self._lock:
            self._bodies[component_id] = revision, body
            self._bodies.move_to_end(component_id)
            if len(self._bodies) > self._most:
                self._bodies.popitem(last=False)


_recent = _Recent()


def _bytes(view: View) -> bytes:
    return view.model_dump_json(exclude_none=True, by_alias=True).encode()


def _answer(request: Request, body: bytes) -> Response:
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": _CACHE}
    if _has(request, etag):
        return Response(status_code=304, headers=headers)
    return Response(body, 200, headers, "application/json")


def _has(request: Request, etag: str) -> bool:
    """Whether the caller has this answer already (RFC 9110, section 13.1.2)."""
    given = request.headers.get("if-none-match", "")[:1000]
    return etag in (one.strip().removeprefix("W/") for one in given.split(","))
