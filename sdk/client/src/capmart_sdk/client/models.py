"""What a center answers, typed. Unknown members are left aside, so that an older client reads a newer center."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from capmart_core.text import Text

Severity = Literal["error", "warning", "info"]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class RelayedOrigin(_Answer):
    """A log that a center relays.

    Attributes:
        log_key: verifier key of that log (signed-note vkey).
        log: path below the center's address where it is served verbatim.
    """

    origin: str
    log_key: str
    fingerprint: str = ""
    log: str


class CenterInfo(_Answer):
    """What a center says of itself; nothing in it is trusted before its log key is."""

    origin: str
    title: Text | None = None
    log_key: str
    fingerprint: str = ""
    version: str = ""
    log: str = "/log"
    upstreams: tuple[RelayedOrigin, ...] = ()


class ComponentSummary(_Answer):
    """One row of a search."""

    id: str
    kind: str
    title: Text | None = None
    summary: Text | None = None
    version: str | None = None
    state: str | None = None
    home: str | None = None


class FacetValue(_Answer):
    """How many components have one value of a facet."""

    code: str
    title: Text | None = None
    count: int


class SearchPage(_Answer):
    """One page of a search; ``next`` is the cursor of the following one."""

    items: tuple[ComponentSummary, ...]
    total: int
    facets: dict[str, tuple[FacetValue, ...]] = {}
    next: str | None = None


class ReleaseSummary(_Answer):
    """One version of a component, as the center's catalog has it."""

    version: str
    state: str
    digest: str
    config: str | None = None
    log_index: int | None = None
    home: str | None = None
    listed_at: str | None = None
    reason: Text | None = None


class ReleasePage(ReleaseSummary):
    """One version with the manifest that its publisher signed."""

    component: str
    manifest: dict[str, Any] | None = None


class ComponentPage(_Answer):
    """A component with its latest manifest and every release."""

    id: str
    home: str | None = None
    latest: str | None = None
    manifest: dict[str, Any] | None = None
    releases: tuple[ReleaseSummary, ...] = ()


class Finding(_Answer):
    """What a check found: where, by which rule, and what to do next."""

    check: str
    severity: Severity
    file: str | None = None
    rule: str | None = None
    message: Text
    next: Text | None = None


class Submission(_Answer):
    """A release under review."""

    id: Annotated[str, Field(coerce_numbers_to_str=True)]
    state: str
    component: str
    version: str
    digest: str
    findings: tuple[Finding, ...] = ()
    decision: str | None = None
    reason: Text | None = None
    log_index: int | None = None


class SubmissionPage(_Answer):
    """One page of submissions."""

    items: tuple[Submission, ...] = ()


class NamespaceKey(_Answer):
    """A publisher key of a namespace."""

    keyid: str
    key: str
    added_index: int | None = None
    revoked_from: int | None = None


class NamespacePage(_Answer):
    """A namespace, its owner and its keys."""

    namespace: str
    home: str | None = None
    organisation: Any = None
    keys: tuple[NamespaceKey, ...] = ()


class WhoAmI(_Answer):
    """Whose token this is and what it may do."""

    account: str
    organisation: Any = None
    roles: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
