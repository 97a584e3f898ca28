"""Long polls: one task per process looks at the published sizes; waiting requests hold no thread and no connection."""

from __future__ import annotations

import asyncio
import logging
from typing import Self

import anyio.to_thread
from sqlmodel import select

from capmart_registry import stopping
from capmart_registry.center import Center
from capmart_registry.log.models import CheckpointRow

_log = logging.getLogger("capmart.center")

POLL_S = 0.2


class Tail:
    """Knows the published size of every log kept here, a fraction of a second late at most."""

    def __init__(self, center: Center) -> None:
        self._center = center
        self._sizes: dict[str, int] = {}
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def beyond(self, origin: str, size: int, wait_s: float) -> None:
        """Return once the log of ``origin`` has more than ``size`` entries, or after ``wait_s`` seconds.

        At once when the center is told to stop.
        """
        try:
            async with asyncio.timeout(wait_s), self._changed:
                await self._changed.wait_for(lambda: self._sizes.get(origin, 0) > size or stopping.requested.is_set())
        except TimeoutError:
            return

    async def _watch(self) -> None:
        while True:
            try:
                sizes = await anyio.to_thread.run_sync(self._read)
            except Exception as error:  # noqa: BLE001 - a database away for a moment must not end the watch
                _log.warning("the logs' sizes could not be read: %s", error)
            else:
                if sizes != self._sizes or stopping.requested.is_set():
                    async with self._changed:
                        self._sizes = sizes
                        self._changed.notify_all()
            await asyncio.sleep(POLL_S)

    def _read(self) -> dict[str, int]:
        with self._center.db.read() as session:
            return dict(session.exec(select(CheckpointRow.origin, CheckpointRow.size)).all())
