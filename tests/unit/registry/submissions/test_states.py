from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capmart_core.errors import StateConflict
from capmart_registry.submissions.states import STATE_TITLES, Step, SubmissionState, after_step


@given(st.lists(st.sampled_from(list(Step)), max_size=30))
def test_given_any_walk_then_nothing_is_listed_without_passed_checks_and_an_approval(walk: list[Step]) -> None:
    state, taken = SubmissionState.DRAFT, list[Step]()
    for step in walk:
        try:
            state = after_step(state, step, what="it")
        except StateConflict:
            continue
        taken.append(step)
    if state is SubmissionState.LISTED:
        assert taken[-2:] == [Step.PASS, Step.APPROVE]


@pytest.mark.parametrize("end", [SubmissionState.LISTED, SubmissionState.REJECTED])
def test_given_a_decision_then_nothing_moves_it_any_more(end: SubmissionState) -> None:
    for step in Step:
        with pytest.raises(StateConflict):
            after_step(end, step, what="it")


def test_given_any_state_then_people_can_read_it() -> None:
    assert set(STATE_TITLES) == set(SubmissionState)
