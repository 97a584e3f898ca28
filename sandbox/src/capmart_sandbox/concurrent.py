"""Several boxes for one component: as many as are called at once, a bounded queue before them, one when it is quiet."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from capmart_core.errors import Busy, StateConflict
from capmart_core.ports.runner import CallResult, Instance, Json, RunSpec
from capmart_sandbox.admission import Admission
from capmart_sandbox.instances import CallInstance
from capmart_sandbox.settings import SandboxSettings

_QUEUE = 2
"""Calls that may wait, for each that may run; before the one box of a resident component as many as before several."""


class ConcurrentInstance(Instance):
    """Shares calls among single instances. The first is started at once, so that a component that cannot start says so.

    A resident component has one, because its state is in it.

    Args:
        spec: of the component.
        settings: of the runner.
        admission: of the runner; counts who is turned away.
        make: starts one more.
    """

    def __init__(
        self, spec: RunSpec, settings: SandboxSettings, admission: Admission, make: Callable[[], CallInstance]
    ) -> None:
        self._spec, self._settings, self._admission, self._make = spec, settings, admission, make
        self._most = 1 if getattr(spec.delivery, "isolation", "isolated") == "resident" else settings.concurrency
        self._changed = threading.Condition()
        self._free: list[tuple[CallInstance, float]] = [(make(), time.monotonic())]
        self._count, self._waiting, self._closed = 1, 0, False
        self._all = [self._free[0][0]]
        self._trimmer: threading.Timer | None = None

    @property
    def socket(self) -> Path | None:
        """None: it does not speak HTTP."""
        return None

    def call(self, action: str, value: Json, *, deadline_s: float | None = None) -> CallResult:
        """Run one action; see the port.

        Raises:
            Busy: as many calls run as may, and as many wait; or the wait was too long.
        """
        with self._one() as instance:
            return instance.call(action, value, deadline_s=deadline_s)

    def close(self) -> None:
        """End all of them, also under calls."""
        with self._changed:
            self._closed = True
            every, self._all, self._free = self._all, [], []
            trimmer, self._trimmer = self._trimmer, None
            self._changed.notify_all()
        if trimmer is not None:
            trimmer.cancel()
        for instance in every:
            instance.close()

    @contextmanager
    def _one(self) -> Iterator[CallInstance]:
        instance = self._take() or self._start()
        try:
            yield instance
        finally:
            self._give_back(instance)

    def _take(self) -> CallInstance | None:
        """One that is free; None when one more may be started, which is then counted already."""
        with self._changed:
            self._check_open()
            if self._free:
                return self._free.pop()[0]
            if self._count < self._most:
                self._count += 1
                return None
            if self._waiting >= _QUEUE * self._settings.concurrency:
                raise self._busy()
            self._waiting += 1
            try:
                wait = min(self._settings.queue_timeout_s, self._spec.limits.deadline_s / 2)
                found = self._changed.wait_for(lambda: bool(self._free) or self._closed, wait)
            finally:
                self._waiting -= 1
            self._check_open()
            if not found:
                raise self._busy()
            return self._free.pop()[0]

    def _start(self) -> CallInstance:
        try:
            instance = self._make()
        except BaseException:
            with self._changed:
                self._count -= 1
            raise
        with self._changed:
            closed = self._closed
            if not closed:
                self._all.append(instance)
        if closed:
            instance.close()
            self._check_open()
        return instance

    def _give_back(self, instance: CallInstance) -> None:
        with self._changed:
            if self._closed:
                return
            self._free.append((instance, time.monotonic()))
            self._changed.notify()
            if self._count > 1 and self._trimmer is None:
                self._trim_later()

    def _trim_later(self) -> None:
        self._trimmer = threading.Timer(self._settings.idle_s, self._trim)
        self._trimmer.daemon = True
        self._trimmer.start()

    def _trim(self) -> None:
        """End those that nobody needed for a while, but one."""
        with self._changed:
            if self._closed:
                return
            latest = time.monotonic() - self._settings.idle_s
            idle = [one for one, since in self._free if since <= latest][: self._count - 1]
            self._free = [(one, since) for one, since in self._free if one not in idle]
            self._all = [one for one in self._all if one not in idle]
            self._count -= len(idle)
            self._trimmer = None
            if self._count > 1:
                self._trim_later()
        for one in idle:
            one.close()

    def _check_open(self) -> None:
        if self._closed:
            raise StateConflict(what=self._spec.component, state="closed", action="call", needed="running")

    def _busy(self) -> Busy:
        self._admission.refused(self._spec)
        return Busy(what=self._spec.component, retry_after=max(1, round(self._spec.limits.deadline_s)))
