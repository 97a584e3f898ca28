"""The life of a submission, as a machine whose every step is named."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from capmart_core.errors import StateConflict
from capmart_core.text import Text


class SubmissionState(StrEnum):
    """Where a submission stands."""

    DRAFT = "draft"
    CHECKING = "checking"
    IN_REVIEW = "in_review"
    FAILED = "failed"
    REJECTED = "rejected"
    LISTED = "listed"

    @property
    def open(self) -> bool:
        """Whether it can still be listed, so that no other submission of the same version may stand beside it."""
        return self in (SubmissionState.DRAFT, SubmissionState.CHECKING, SubmissionState.IN_REVIEW)


class Step(StrEnum):
    """What moves a submission."""

    START_CHECKS = "start_checks"
    PASS = "pass"  # noqa: S105 - no password
    BLOCK = "block"
    APPROVE = "approve"
    REJECT = "reject"
    CHECK_AGAIN = "check_again"


_S = SubmissionState

STEPS: Mapping[Step, tuple[frozenset[SubmissionState], SubmissionState]] = {
    # A worker that starts finds ``checking`` when the one before it was killed.
    Step.START_CHECKS: (frozenset({_S.DRAFT, _S.CHECKING}), _S.CHECKING),
    Step.PASS: (frozenset({_S.CHECKING}), _S.IN_REVIEW),
    Step.BLOCK: (frozenset({_S.CHECKING}), _S.FAILED),
    Step.APPROVE: (frozenset({_S.IN_REVIEW}), _S.LISTED),
    Step.REJECT: (frozenset({_S.IN_REVIEW, _S.FAILED}), _S.REJECTED),
    Step.CHECK_AGAIN: (frozenset({_S.FAILED, _S.IN_REVIEW}), _S.DRAFT),
}

STATE_TITLES: Mapping[SubmissionState, Text] = {
    _S.DRAFT: Text(zh="待检测", en="Waiting for checks"),
    _S.CHECKING: Text(zh="检测中", en="Being checked"),
    _S.IN_REVIEW: Text(zh="待评审", en="In review"),
    _S.FAILED: Text(zh="检测未通过", en="Blocked by checks"),
    _S.REJECTED: Text(zh="已驳回", en="Rejected"),
    _S.LISTED: Text(zh="已上架", en="Listed"),
}


def after_step(state: SubmissionState, step: Step, *, what: str) -> SubmissionState:
    """The state that ``step`` leads to.

    Args:
        state: the present one.
        step: what is about to happen.
        what: names the submission in the error.

    Raises:
        StateConflict: the step is not possible from ``state``.
    """
    allowed, following = STEPS[step]
    if state not in allowed:
        needed = ", ".join(sorted(allowed))
        raise StateConflict(what=what, state=str(state), action=str(step), needed=needed)
    return following
