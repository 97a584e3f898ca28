"""Which call may run now: as many at once as the machine bears, shared fairly among tenants, all of them counted."""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from capmart_core.errors import Busy, CapmartError
from capmart_core.metrics import Labels, Metric
from capmart_core.ports.runner import RunSpec


class _Ticket:
    """One call that waits."""

    def __init__(self) -> None:
        self.called = threading.Event()


class FairSlots:
    """A number of places. Whoever waits gets one in the order of how few their tenant has.

    No tenant ever has all of them where there is more than one, so that nobody's first call waits for the deadline of
    somebody else's long ones.

    Args:
        size: how many there are.
    """

    def __init__(self, size: int) -> None:
        self._free, self._share = size, max(1, size - 1)
        self._lock = threading.Lock()
        self._running: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[_Ticket]] = OrderedDict()

    @property
    def running(self) -> int:
        """Places taken."""
        with self._lock:
            return self._running.total()

    @property
    def waiting(self) -> int:
        """Calls that wait for one."""
        with self._lock:
            return sum(map(len, self._waiting.values()))

    def acquire(self, tenant: str, wait_s: float) -> bool:
        """Take a place for a tenant; False when there is none in time."""
        with self._lock:
            if self._free and tenant not in self._waiting and self._running[tenant] < self._share:
                self._take(tenant)
                return True
            ticket = _Ticket()
            self._waiting.setdefault(tenant, deque()).append(ticket)
        if ticket.called.wait(wait_s):
            return True
        with self._lock:
            if ticket.called.is_set():
                return True
            queue = self._waiting[tenant]
            queue.remove(ticket)
            if not queue:
                del self._waiting[tenant]
            return False

    def release(self, tenant: str) -> None:
        """Give a place back, to whoever is next."""
        with self._lock:
            self._free += 1
            self._running[tenant] -= 1
            if not self._running[tenant]:
                del self._running[tenant]
            self._call_next()

    def _take(self, tenant: str) -> None:
        self._free -= 1
        self._running[tenant] += 1

    def _call_next(self) -> None:
        while self._free:
            able = [tenant for tenant in self._waiting if self._running[tenant] < self._share]
            if not able:
                return
            tenant = min(able, key=self._running.__getitem__)  # of equals the one that was served longest ago
            queue = self._waiting[tenant]
            ticket = queue.popleft()
            if queue:
                self._waiting.move_to_end(tenant)
            else:
                del self._waiting[tenant]
            self._take(tenant)
            ticket.called.set()


class Admission:
    """What all instances of a runner share: the places, and the counts of what became of their calls.

    Args:
        places: calls that may run at once.
        wait_s: how long a call waits for a place at most, seconds.
    """

    def __init__(self, places: int, wait_s: float) -> None:
        self._slots, self._wait_s = FairSlots(places), wait_s
        self._lock = threading.Lock()
        self._calls: Counter[tuple[str, str]] = Counter()
        self._seconds: dict[str, float] = {}
        self._started: Counter[str] = Counter()

    @contextmanager
    def call(self, spec: RunSpec) -> Iterator[None]:
        """One call, from when it may run to how it ended.

        Raises:
            Busy: there was no place for it in time.
        """
        wait = min(self._wait_s, spec.limits.deadline_s / 2)
        if not self._slots.acquire(spec.tenant, wait):
            self.refused(spec)
            raise Busy(what="the sandbox", retry_after=max(1, round(wait)))
        started, outcome = time.monotonic(), "interrupted"
        try:
            yield
            outcome = "ok"
        except CapmartError as error:
            outcome = error.code
            raise
        finally:
            self._slots.release(spec.tenant)
            with self._lock:
                self._calls[spec.component, outcome] += 1
                spent = self._seconds.get(spec.component, 0.0)
                self._seconds[spec.component] = spent + time.monotonic() - started

    def refused(self, spec: RunSpec) -> None:
        """Count a call that nobody had room for."""
        with self._lock:
            self._calls[spec.component, Busy.code] += 1

    def box_started(self, source: str) -> None:
        """Count a box; ``source`` is ``pool`` or ``nothing``."""
        with self._lock:
            self._started[source] += 1

    def metrics(self) -> Sequence[Metric]:
        """All counts so far."""
        with self._lock:
            calls: dict[Labels, float] = {
                (("component", who), ("outcome", how)): float(n) for (who, how), n in self._calls.items()
            }
            seconds: dict[Labels, float] = {(("component", who),): float(n) for who, n in self._seconds.items()}
            started: dict[Labels, float] = {(("from", source),): float(n) for source, n in self._started.items()}
        return (
            Metric("capmart_sandbox_calls_total", "counter", "calls by how they ended", calls),
            Metric("capmart_sandbox_call_seconds_total", "counter", "time that calls took", seconds),
            Metric("capmart_sandbox_boxes_started_total", "counter", "boxes by what they were made from", started),
            Metric("capmart_sandbox_calls_running", "gauge", "calls that run now", {(): float(self._slots.running)}),
            Metric("capmart_sandbox_calls_waiting", "gauge", "calls that wait now", {(): float(self._slots.waiting)}),
        )
