from __future__ import annotations

import pytest

from capmart_core.errors import Busy, Unhealthy
from capmart_sandbox.restarts import MAX_ENDS, WINDOW_S, Restarts


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_given_one_end_when_asked_then_it_may_start_at_once() -> None:
    restarts = Restarts("acme/app", Clock())
    restarts.ended("")
    restarts.check()


def test_given_more_ends_when_asked_then_the_wait_doubles_and_passes() -> None:
    clock = Clock()
    restarts = Restarts("acme/app", clock)
    restarts.ended("")
    for wait in (1, 2, 4):
        restarts.ended("")
        clock.now += wait * 0.99
        with pytest.raises(Busy) as busy:
            restarts.check()
        assert 1 <= int(str(busy.value.data["retry_after"])) <= wait
        clock.now += wait * 0.22
        restarts.check()


def test_given_five_ends_in_five_minutes_when_time_passes_then_it_stays_stopped_with_its_log() -> None:
    clock = Clock()
    restarts = Restarts("acme/app", clock)
    for number in range(MAX_ENDS):
        restarts.ended(f"end {number}")
        clock.now += 10
    clock.now += 10 * WINDOW_S
    with pytest.raises(Unhealthy, match="5 times") as stopped:
        restarts.check()
    assert stopped.value.data["log"] == "end 4"
    assert "5 次" in stopped.value.message("zh")


def test_given_ends_far_apart_when_asked_then_each_is_the_first() -> None:
    clock = Clock()
    restarts = Restarts("acme/app", clock)
    for _ in range(3 * MAX_ENDS):
        restarts.ended("")
        restarts.check()
        clock.now += WINDOW_S
