"""The portal's pages for everybody: home, component mall, component, log and trust; and its errors as pages."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.responses import RedirectResponse, Response
from fastapi.staticfiles import StaticFiles

from capmart_core.errors import CapmartError, NotAuthenticated
from capmart_core.identifiers import ComponentId
from capmart_core.manifest import Manifest
from capmart_core.text import Language
from capmart_registry.catalog import queries
from capmart_registry.catalog.facets import FACET_TITLES, code_title
from capmart_registry.catalog.queries import ListQuery
from capmart_registry.catalog.views import ComponentList
from capmart_registry.center import Center
from capmart_registry.dependencies import CenterDep, SessionDep
from capmart_registry.log import service as log
from capmart_registry.portal import review, session
from capmart_registry.portal.fields import field_rows
from capmart_registry.portal.pages import link, render
from capmart_registry.portal.viewer import LanguageDep, MaybeViewer, language_of, viewer_or_nobody
from capmart_registry.problems import status_of
from capmart_registry.submissions import service as submissions
from capmart_registry.upstreams import service as upstreams

router = APIRouter(include_in_schema=False)

_SHOWN_FACETS = ("kind", "subkind", "industry", "scenario", "capability", "delivery", "home")
_MOST_VALUES = 12
_NEWEST = 6
_PAGE = 24


@router.get("/")
def home(request: Request, center: CenterDep, db: SessionDep, viewer: MaybeViewer, language: LanguageDep) -> Response:
    """Search, counts and what was listed last."""
    page = queries.list_components(db, center.search, ListQuery(sort="newest", limit=_NEWEST))
    counts = {value.code: value.count for value in page.facets.get("kind", ())}
    kinds = [
        {"code": code, "title": code_title("kind", code).get(language), "count": counts.get(code, 0)}
        for code in ("knowledge", "tool", "application")
    ]
    return render(request, center, viewer, language, "home.html", section="home", items=page.items, kinds=kinds)


@router.get("/components")
def browse(
    request: Request,
    center: CenterDep,
    db: SessionDep,
    viewer: MaybeViewer,
    language: LanguageDep,
    q: str = "",
    cursor: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    """The component mall: search and facets."""
    chosen = {name: request.query_params[name][:100] for name in _SHOWN_FACETS if request.query_params.get(name)}
    query = ListQuery(text=q, filters={name: (code,) for name, code in chosen.items()}, cursor=cursor, limit=_PAGE)
    page = queries.list_components(db, center.search, query)
    return render(
        request,
        center,
        viewer,
        language,
        "browse.html",
        section="components",
        q=q[:200],
        chosen=chosen,
        total=page.total,
        items=page.items,
        facets=_facets(page, q[:200], chosen, language),
        next=link("/components", q=q[:200], **chosen, cursor=page.next) if page.next else None,
    )


def _facets(page: ComponentList, q: str, chosen: dict[str, str], language: Language) -> list[dict[str, Any]]:
    found = []
    for name in _SHOWN_FACETS:
        values = [
            {
                "title": value.title.get(language),
                "count": value.count,
                "chosen": chosen.get(name) == value.code,
                "link": link(
                    "/components", q=q, **{**chosen, name: "" if chosen.get(name) == value.code else value.code}
                ),
            }
            for value in page.facets.get(name, ())[:_MOST_VALUES]
            if value.count
        ]
        if values:
            found.append({"title": FACET_TITLES[name].get(language), "values": values})
    return found


@router.get("/components/{namespace}/{name}")
def component(
    request: Request,
    center: CenterDep,
    db: SessionDep,
    viewer: MaybeViewer,
    language: LanguageDep,
    namespace: str,
    name: str,
    version: Annotated[str | None, Query(max_length=128)] = None,
) -> Response:
    """One component, at its latest or a given version."""
    found = queries.find_component(db, str(ComponentId.parse(f"{namespace}/{name}")))
    release = queries.find_release(db, found.id, version or found.latest)
    manifest = Manifest.model_validate(release.manifest or found.manifest)
    taxonomy = manifest.taxonomy
    places = [("subkind", taxonomy.subkind), *(("industry", code) for code in taxonomy.industries)]
    places += [*(("scenario", code) for code in taxonomy.scenarios)]
    places += [*(("capability", code) for code in taxonomy.capabilities)]
    actions = [
        {
            "name": action.name,
            "title": action.title.get(language),
            "summary": action.summary.get(language) if action.summary else "",
            "input": field_rows(action.input, language),
            "output": field_rows(action.output, language),
        }
        for action in manifest.actions
    ]
    examples = [
        {"name": one.name, "action": one.action, "input": _pretty(one.input), "output": _pretty(one.output)}
        for one in manifest.examples
    ]
    return render(
        request,
        center,
        viewer,
        language,
        "component.html",
        section="components",
        m=manifest,
        release=release,
        releases=found.releases,
        tags=[code_title(facet, code).get(language) for facet, code in places] + list(taxonomy.tags),
        actions=actions,
        examples=examples,
        checks=submissions.checks_of(center, release.report),
        delivery=code_title("delivery", manifest.delivery.type).get(language),
    )


@router.get("/trust")
def trust(request: Request, center: CenterDep, db: SessionDep, viewer: MaybeViewer, language: LanguageDep) -> Response:
    """The log's checkpoint and the centers that are followed."""
    checkpoint = log.readers(center)[center.origin].checkpoint()
    return render(
        request,
        center,
        viewer,
        language,
        "trust.html",
        section="trust",
        checkpoint=checkpoint,
        upstreams=upstreams.statuses(db),
    )


def _pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)[:4000]


ROUTERS = (router, session.router, review.router)
_PATHS = {"/", "/components", "/trust", "/review", "/sign-in", "/sign-out", "/language"}


def mount(app: FastAPI) -> None:
    """Serve the portal's style sheet and script, and show errors of its pages as pages."""
    app.state.error_page = error_page
    app.mount("/portal/static", StaticFiles(directory=str(files("capmart_registry.portal") / "static")))


def _is_page(request: Request) -> bool:
    path = request.url.path
    return path in _PATHS or path.startswith(("/components/", "/review/"))


def error_page(error: CapmartError, request: Request) -> Response | None:
    """An error as a page where a person waits for one, else None; who must sign in is sent there and comes back."""
    if not _is_page(request):
        return None
    center: Center = request.app.state.center
    if isinstance(error, NotAuthenticated) and request.method == "GET":
        return RedirectResponse(link("/sign-in", next=request.url.path), 303)
    language = language_of(request)
    status = status_of(error)
    heading = {404: ("Not found", "未找到"), 403: ("Not allowed", "无权访问")}.get(status, ("Sorry", "出错了"))
    return render(
        request,
        center,
        viewer_or_nobody(request, center),
        language,
        "problem.html",
        status=status,
        heading=heading[1 if language == "zh" else 0],
        message=error.message(language),
        advice=error.advice(language),
    )
