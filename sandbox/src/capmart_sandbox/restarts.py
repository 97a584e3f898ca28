"""When an application that ended may start again: at once, then ever later, then no more."""

from __future__ import annotations

import math
import random
import time
from collections import deque
from collections.abc import Callable

from capmart_core.errors import Busy, Unhealthy

MAX_ENDS = 5
WINDOW_S = 300.0
_FIRST_WAIT_S = 1.0
_JITTER = 0.2


class Restarts:
    """How often one application ended, and what follows from it.

    The first end of a while costs nobody a wait: the next request starts the application again. From the second one on
    the wait doubles from one second, with some jitter, so that applications which fail together do not return together.
    The fifth end in five minutes is the last: it stays stopped until its instance is closed.

    Args:
        component: whose restarts these are.
        clock: seconds that only grow.
    """

    def __init__(self, component: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._component, self._clock = component, clock
        self._ends: deque[float] = deque(maxlen=MAX_ENDS)
        self._not_before = 0.0
        self._quarantined = False
        self._log = ""

    def ended(self, log: str) -> None:
        """It ended, or did not come up; ``log`` is the end of what it wrote."""
        now = self._clock()
        self._log = log
        while self._ends and self._ends[0] <= now - WINDOW_S:
            self._ends.popleft()
        self._ends.append(now)
        self._quarantined = self._quarantined or len(self._ends) == MAX_ENDS
        again = len(self._ends) - 1
        wait = _FIRST_WAIT_S * 2 ** (again - 1) if again else 0.0
        self._not_before = now + wait * random.uniform(1, 1 + _JITTER)  # noqa: S311  # spreads load, hides nothing

    def check(self) -> None:
        """Whether it may start now.

        Raises:
            Busy: not yet; the error says when.
            Unhealthy: it ended too often; the error carries its log.
        """
        if self._quarantined:
            raise Unhealthy(
                component=self._component,
                reason=f"it ended {MAX_ENDS} times in {WINDOW_S / 60:g} minutes and stays stopped until the next start "
                "of the gateway",
                reason_zh=f"它在 {WINDOW_S / 60:g} 分钟内退出 {MAX_ENDS} 次，已停用，重启网关后恢复",
                log=self._log,
            )
        left = self._not_before - self._clock()
        if left > 0:
            raise Busy(what=self._component, retry_after=math.ceil(left))
