"""The review desk: queue, findings, difference to the last version, decision."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from capmart_core.manifest import Manifest
from capmart_core.text import Text
from capmart_registry.dependencies import CenterDep, SessionDep
from capmart_registry.portal import wording
from capmart_registry.portal.pages import link, render
from capmart_registry.portal.viewer import LanguageDep, ReviewerDep, SignedForm
from capmart_registry.submissions import service

router = APIRouter(prefix="/review", include_in_schema=False)

_STATES = ("in_review", "checking", "failed", "rejected", "listed")


@router.get("")
def queue(
    request: Request,
    center: CenterDep,
    db: SessionDep,
    viewer: ReviewerDep,
    language: LanguageDep,
    state: Annotated[str, Query(max_length=20)] = "in_review",
    start: Annotated[int, Query(ge=0, le=100_000)] = 0,
) -> Response:
    """What waits, the longest waiting first."""
    chosen = state if state in _STATES else "in_review"
    page = service.list_submissions(db, viewer.principal, state=chosen, offset=start)
    states = [
        {
            "code": code,
            "title": f"{wording.said(wording.STATES, code, language)} {page.counts.get(code, 0)}",
            "chosen": code == chosen,
        }
        for code in _STATES
    ]
    following = link("/review", state=chosen, start=page.next) if page.next else None
    return render(
        request,
        center,
        viewer,
        language,
        "review_queue.html",
        section="review",
        items=page.items,
        states=states,
        next=following,
    )


@router.get("/{submission}")
def one(
    request: Request,
    center: CenterDep,
    db: SessionDep,
    viewer: ReviewerDep,
    language: LanguageDep,
    submission: str,
) -> Response:
    """Everything that a decision needs."""
    found = service.find(db, center, viewer.principal, submission)
    difference = service.difference(db, center, viewer.principal, submission)
    manifest = Manifest.model_validate(found.manifest) if found.manifest else None
    return render(
        request,
        center,
        viewer,
        language,
        "review.html",
        section="review",
        s=found,
        m=manifest,
        previous=difference.previous,
        changes=difference.changes,
        own=found.submitter == viewer.name,
    )


@router.post("/{submission}/approve")
def approve(center: CenterDep, viewer: SignedForm, submission: str) -> Response:
    """List the release."""
    service.approve(center, viewer.principal, submission)
    return RedirectResponse(f"/review/{submission}", 303)


@router.post("/{submission}/reject")
def reject(
    center: CenterDep,
    viewer: SignedForm,
    submission: str,
    reason_zh: Annotated[str, Form(min_length=1, max_length=2000)],
    reason_en: Annotated[str, Form(min_length=1, max_length=2000)],
) -> Response:
    """Refuse it, with a reason in both languages."""
    service.reject(center, viewer.principal, submission, Text(zh=reason_zh, en=reason_en))
    return RedirectResponse(f"/review/{submission}", 303)
