"""What the catalog answers: plain typed objects that know neither tables nor HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, PlainSerializer

from capmart_core.text import Text
from capmart_core.times import format_utc

Json = dict[str, Any]
UtcMoment = Annotated[datetime, PlainSerializer(format_utc)]


class View(BaseModel):
    """Base of every answer."""

    model_config = ConfigDict(frozen=True)

    def as_json(self) -> Json:
        """Plain JSON, absent fields left out."""
        return self.model_dump(mode="json", exclude_none=True, by_alias=True)


class TaxonomyView(View):
    """Where a component stands in the catalog, by codes."""

    subkind: str | None = None
    industries: tuple[str, ...] = ()
    scenarios: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


class ComponentSummary(View):
    """One row of a list of components.

    Attributes:
        version: of the release that stands for it.
        state: of that release.
        home: origin of the center to whose log it belongs.
        delivery: ``python``, ``image``, ``files`` or ``remote``.
    """

    id: str
    kind: str
    title: Text
    summary: Text
    version: str
    state: str
    home: str
    provider: Text
    delivery: str
    taxonomy: TaxonomyView
    listed_at: UtcMoment


class FacetValue(View):
    """How many components have one code of a facet."""

    code: str
    title: Text
    count: int


class ComponentList(View):
    """One page of components.

    Attributes:
        total: how many match in all.
        facets: for each facet its values, the most frequent first; a facet's own filter is left aside.
        next: cursor of the next page; None on the last one.
    """

    items: tuple[ComponentSummary, ...]
    total: int
    facets: dict[str, tuple[FacetValue, ...]]
    next: str | None = None


class ReleaseView(View):
    """One version of a component.

    Attributes:
        digest: of the package's index.
        config: digest of the manifest.
        reason: why it is in its state, when that needs one.
        replacement: component to use instead.
        deadline: by when a recalled release must be out of use.
        available: whether this center holds its content.
        report: digest of the signed review report.
    """

    version: str
    state: str
    digest: str
    config: str
    log_index: int
    home: str
    listed_at: UtcMoment
    reason: Text | None = None
    replacement: str | None = None
    deadline: UtcMoment | None = None
    available: bool = False
    report: str | None = None


class ComponentView(View):
    """One component with all its releases, the highest version first.

    Attributes:
        latest: version of the release that stands for it.
        manifest: of that release, as its publisher signed it.
    """

    id: str
    kind: str
    home: str
    latest: str
    state: str
    manifest: Json | None
    releases: tuple[ReleaseView, ...]


class ReleaseDetail(ReleaseView):
    """One version with its manifest and what the checks found.

    Attributes:
        checks: findings of the center that reviewed it, from its signed report; empty for releases of other centers.
    """

    component: str
    manifest: Json | None
    checks: tuple[Json, ...] = ()


class KeyView(View):
    """A publisher key of a namespace."""

    keyid: str
    key: str
    added_index: int
    revoked_from: int | None = None


class NamespaceView(View):
    """A namespace, its owner and its keys."""

    namespace: str
    home: str
    organisation: str
    keys: tuple[KeyView, ...]
