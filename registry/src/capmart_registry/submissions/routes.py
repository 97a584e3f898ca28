"""Submissions, statements and the center's acts over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from starlette.responses import JSONResponse

from capmart_core.errors import InvalidRequest
from capmart_core.statements import EntryEnvelope
from capmart_core.text import Text
from capmart_core.times import parse_utc
from capmart_registry.accounts.principal import Principal
from capmart_registry.catalog.views import View
from capmart_registry.center import Center
from capmart_registry.dependencies import CenterDep, SessionDep, require
from capmart_registry.submissions import acts, service
from capmart_registry.submissions.acts import CenterOp
from capmart_registry.submissions.states import SubmissionState
from capmart_registry.submissions.views import SubmissionList, SubmissionView

router = APIRouter(prefix="/api/v1", tags=["submissions"])

Reader = Annotated[Principal, Depends(require("read"))]
Publisher = Annotated[Principal, Depends(require("publish"))]
Reviewer = Annotated[Principal, Depends(require("review"))]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class EnvelopeBody(_Strict):
    """A signed statement."""

    envelope: EntryEnvelope


class ApproveBody(_Strict):
    """What the reviewer adds to an approval."""

    comment: Text | None = None


class ReasonBody(_Strict):
    """Why; both languages, for people read it."""

    reason: Text


class ActBody(_Strict):
    """What a center's act says.

    Attributes:
        reason: for everything but ``release``.
        deadline: of a recall, UTC.
        replacement: component to use instead of a recalled one.
    """

    reason: Text | None = None
    deadline: Annotated[datetime, BeforeValidator(parse_utc)] | None = None
    replacement: Annotated[str, Field(max_length=129)] | None = None


class Logged(BaseModel):
    """Where a statement stands in this center's log."""

    index: int


@router.post("/submissions", status_code=201, response_model=SubmissionView)
def submit(center: CenterDep, who: Publisher, body: EnvelopeBody) -> JSONResponse:
    """Submit a release whose content was pushed before."""
    row = service.submit(center, who, body.envelope)
    return _shown(_view(center, who, row.id), 201)


@router.get("/submissions", response_model=SubmissionList)
def list_submissions(
    session: SessionDep,
    who: Reader,
    state: Annotated[SubmissionState | None, Query()] = None,
    cursor: Annotated[str | None, Query(max_length=20)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> JSONResponse:
    """Submissions of the caller's organisation; all of them for reviewers."""
    if cursor is not None and not (cursor.isascii() and cursor.isdigit()):
        raise InvalidRequest(where="cursor", reason="it is not the cursor of a list of submissions")
    offset = min(int(cursor or 0), 10_000_000)
    return _shown(service.list_submissions(session, who, state=state, offset=offset, limit=limit))


@router.get("/submissions/{submission_id}", response_model=SubmissionView)
def get_submission(center: CenterDep, who: Reader, submission_id: str) -> JSONResponse:
    """One submission with its findings."""
    return _shown(_view(center, who, submission_id))


@router.get("/submissions/{submission_id}/difference")
def get_difference(center: CenterDep, session: SessionDep, who: Reader, submission_id: str) -> dict[str, Any]:
    """How its manifest differs from the last listed version's."""
    found = service.difference(session, center, who, submission_id)
    return {
        "previous": found.previous,
        "changes": [
            {"field": change.field, "kind": change.kind, "before": change.before, "after": change.after}
            for change in found.changes
        ],
    }


@router.post("/submissions/{submission_id}/approve", response_model=SubmissionView)
def approve(
    center: CenterDep, who: Reviewer, submission_id: str, body: Annotated[ApproveBody | None, Body()] = None
) -> JSONResponse:
    """List the release."""
    return _shown(service.approve(center, who, submission_id, body.comment if body else None))


@router.post("/submissions/{submission_id}/reject", response_model=SubmissionView)
def reject(center: CenterDep, who: Reviewer, submission_id: str, body: ReasonBody) -> JSONResponse:
    """Refuse the release, with reasons."""
    return _shown(service.reject(center, who, submission_id, body.reason))


@router.post("/submissions/{submission_id}/check", response_model=SubmissionView)
def check_again(center: CenterDep, who: Publisher, submission_id: str) -> JSONResponse:
    """Run the checks once more."""
    return _shown(service.check_again(center, who, submission_id))


@router.post("/statements")
def statement(center: CenterDep, who: Publisher, body: EnvelopeBody) -> Logged:
    """Log a publisher's yank, unyank or deprecation."""
    return Logged(index=acts.publisher_statement(center, who, body.envelope))


def _act(op: CenterOp) -> None:
    @router.post(f"/components/{{namespace}}/{{name}}/releases/{{version}}/{op}", name=op, summary=f"{op} a release")
    def act(
        center: CenterDep,
        who: Reviewer,
        *,
        namespace: str,
        name: str,
        version: str,
        body: Annotated[ActBody | None, Body()] = None,
    ) -> Logged:
        given = body or ActBody()
        index = acts.center_act(
            center,
            who,
            f"{namespace}/{name}",
            version,
            op,
            reason=given.reason,
            deadline=given.deadline,
            replacement=given.replacement,
        )
        return Logged(index=index)


_act("quarantine")
_act("release")
_act("recall")
_act("takedown")


def _view(center: Center, who: Principal, submission_id: str) -> SubmissionView:
    with center.db.read() as session:
        return service.find(session, center, who, submission_id)


def _shown(view: View, status: int = 200) -> JSONResponse:
    return JSONResponse(view.as_json(), status, {"Cache-Control": "private, no-store"})
