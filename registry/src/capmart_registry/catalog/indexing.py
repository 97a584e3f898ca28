"""The catalog as the search index follows it: what changed since a revision, and as which documents."""

from __future__ import annotations

from dataclasses import dataclass

from sqlmodel import Session, col, select

from capmart_registry.catalog.facets import code_title
from capmart_registry.catalog.models import CatalogClock, Component, Release
from capmart_registry.catalog.queries import manifest_json
from capmart_registry.catalog.views import Json
from capmart_registry.search.index import SearchDocument


@dataclass(frozen=True)
class CatalogChanges:
    """A stretch of the catalog's changes.

    Attributes:
        changed: components to be found.
        gone: ids of components that are not to be found any more.
        revision: up to which the catalog has been read.
        more: whether there is more to read.
    """

    changed: tuple[SearchDocument, ...]
    gone: tuple[str, ...]
    revision: int
    more: bool


def current_revision(session: Session) -> int:
    """The catalog's clock; 0 before its first change."""
    return session.exec(select(CatalogClock.revision)).first() or 0


def changes_since(session: Session, revision: int, *, limit: int = 500) -> CatalogChanges:
    """What changed after ``revision``, each component once and in its present form."""
    found = select(Component).where(col(Component.revision) > revision).order_by(col(Component.revision)).limit(limit)
    rows = list(session.exec(found))
    changed: list[SearchDocument] = []
    gone: list[str] = []
    for row in rows:
        document = _document(session, row)
        if document is None:
            gone.append(row.id)
        else:
            changed.append(document)
    reached = rows[-1].revision if rows else max(revision, 0)
    return CatalogChanges(tuple(changed), tuple(gone), reached, more=len(rows) == limit)


def _document(session: Session, row: Component) -> SearchDocument | None:
    if row.latest is None or row.state == "taken_down":
        return None
    release = session.exec(select(Release).where(Release.component_id == row.id, Release.version == row.latest)).one()
    manifest = manifest_json(session, release.config)
    if manifest is None:
        return None
    taxonomy = manifest["taxonomy"]
    facets = {
        "kind": (row.kind,),
        "subkind": (taxonomy["subkind"],),
        "industry": tuple(taxonomy.get("industries", ())),
        "scenario": tuple(taxonomy.get("scenarios", ())),
        "capability": tuple(taxonomy.get("capabilities", ())),
        "delivery": (row.delivery,),
        "home": (row.home,),
        "namespace": (row.namespace,),
    }
    names = [
        text
        for facet in ("kind", "subkind", "industry", "scenario", "capability")
        for code in facets[facet]
        for text in _both(code_title(facet, code).model_dump())
    ]
    return SearchDocument(
        id=row.id,
        titles=(*_both(manifest["title"]), row.id),
        texts=(*_texts(manifest), *names),
        name=row.title_en.casefold()[:200],
        listed_at=int(release.listed_at.timestamp()),
        state=row.state,
        facets=facets,
    )


def _texts(manifest: Json) -> list[str]:
    texts = [*_both(manifest["summary"]), *_both(manifest.get("description")), *_both(manifest["provider"]["name"])]
    texts += [*manifest["taxonomy"].get("tags", ()), *manifest.get("standards", ())]
    for action in manifest.get("actions", ()):
        texts += [action["name"], *_both(action["title"]), *_both(action.get("summary"))]
    return texts


def _both(text: Json | None) -> list[str]:
    return [] if text is None else [text["zh"], text["en"]]
