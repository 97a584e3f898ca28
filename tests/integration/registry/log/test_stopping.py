from __future__ import annotations

import threading
import time
from typing import Any

import httpx


def test_given_polls_that_wait_when_the_center_is_told_to_stop_then_they_are_answered_and_it_stops(served: Any) -> None:
    answers: list[int] = []

    def poll() -> None:
        params = {"start": "100000", "limit": "10", "wait": "60"}
        answers.append(httpx.get(f"{served.url}/log/entries", params=params, timeout=90).status_code)

    waiting = [threading.Thread(target=poll) for _ in range(5)]
    for one in waiting:
        one.start()
    time.sleep(1)
    assert not answers
    started = time.monotonic()
    served.server.stop(timeout_s=60)
    for one in waiting:
        one.join(10)
    served.start()  # for whatever test comes next
    assert answers == [200] * 5
    assert time.monotonic() - started < 30, "it waited for the polls instead of answering them"
