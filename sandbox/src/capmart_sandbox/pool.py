"""Containers that wait, started beforehand, for whatever component is called first. Each serves one component, once."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple, Self

from capmart_core.errors import CapmartError
from capmart_core.manifest.models import Limits
from capmart_sandbox.containers import ContainerBox

_log = logging.getLogger("capmart.sandbox")

MAX_CLASSES = 4
_RETRY_S = 5.0
_PAUSE_S = 0.05  # after one was taken: its first call, which takes milliseconds, has the processors to itself


class ResourceClass(NamedTuple):
    """The limits that a container is made with; those of a call are told to it later."""

    memory_mib: int
    cpus: float
    pids: int
    tmp_mib: int

    @classmethod
    def of(cls, limits: Limits) -> Self:
        """The class that these limits are in."""
        return cls(limits.memory_mib, limits.cpus, limits.pids, limits.tmp_mib)

    def limits(self) -> Limits:
        """Limits of this class."""
        return Limits(**self._asdict())


class Pool:
    """Boxes by class. One is started at a time: an engine on a small machine gets no faster by being asked twice.

    The classes asked for last are kept; at first that of the default limits.

    Args:
        make: starts a box of a class, whose guest has reported.
        size: how many wait in each class.
    """

    def __init__(self, make: Callable[[Limits], ContainerBox], size: int) -> None:
        self._make, self._size = make, size
        self._waiting: OrderedDict[ResourceClass, list[ContainerBox]] = OrderedDict({ResourceClass.of(Limits()): []})
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._refill, name="sandbox pool", daemon=True)
        self._thread.start()

    def take(self, limits: Limits) -> ContainerBox | None:
        """A box of this class that lives, to be used and ended by the caller; None when none waits."""
        wanted = ResourceClass.of(limits)
        dead: list[ContainerBox] = []
        with self._changed:
            boxes = self._waiting.setdefault(wanted, [])
            self._waiting.move_to_end(wanted)
            found = None
            while boxes and found is None:
                box = boxes.pop(0)
                if box.wire.quiet():
                    found = box
                else:
                    dead.append(box)
            while len(self._waiting) > MAX_CLASSES:
                dead += self._waiting.popitem(last=False)[1]
            self._changed.notify_all()
        _end(dead)
        return found

    def wait(self, limits: Limits, timeout_s: float) -> bool:
        """Wait until as many boxes of this class are there as should be; whether they are."""
        wanted = ResourceClass.of(limits)
        with self._changed:
            return self._changed.wait_for(lambda: len(self._waiting.get(wanted, ())) >= self._size, timeout_s)

    def close(self) -> None:
        """End all of them."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()
        _end([box for boxes in self._waiting.values() for box in boxes])
        self._waiting.clear()

    def _refill(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._lacking() is not None)
                self._changed.wait_for(lambda: self._closed, _PAUSE_S)
                wanted = self._lacking()
                if self._closed or wanted is None:
                    return
            try:
                box = self._make(wanted.limits())
            except CapmartError as error:
                _log.warning("no box can be started beforehand: %s", error)
                with self._changed:
                    self._changed.wait_for(lambda: self._closed, _RETRY_S)
                continue
            if not self._keep(wanted, box):
                _end([box])

    def _keep(self, wanted: ResourceClass, box: ContainerBox) -> bool:
        with self._changed:
            if self._closed or wanted not in self._waiting:
                return False
            self._waiting[wanted].append(box)
            self._changed.notify_all()
        return True

    def _lacking(self) -> ResourceClass | None:
        """The class asked for last that has too few."""
        return next((one for one in reversed(self._waiting) if len(self._waiting[one]) < self._size), None)


def _end(boxes: list[ContainerBox]) -> None:
    for box in boxes:
        box.destroy()
        box.wire.close()
