"""The host's half of an application's door: HTTP clients on one Unix socket, what the guest dials on another.

The guest keeps idle connections to ``data.sock``; each client that connects to ``app.sock`` is given one.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

_CHUNK = 65_536
_WAIT_S = 10.0
_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

_Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Bridge:
    """One application's door.

    Args:
        app_socket: where this machine's gateway connects; for this user only.
        data_socket: where the guest dials.
    """

    def __init__(self, app_socket: Path, data_socket: Path) -> None:
        self._loop = asyncio.new_event_loop()
        self._idle: asyncio.Queue[_Pair] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._servers: list[asyncio.Server] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="capmart-bridge", daemon=True)
        self._thread.start()
        self._run(self._listen(app_socket, data_socket))
        app_socket.chmod(0o600)
        data_socket.chmod(0o666)

    def close(self) -> None:
        """Close every connection and both sockets."""
        if not self._thread.is_alive():
            return
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _listen(self, app_socket: Path, data_socket: Path) -> None:
        self._servers = [
            await asyncio.start_unix_server(self._client, app_socket),
            await asyncio.start_unix_server(self._dialled, data_socket),
        ]

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while not self._idle.empty():
            self._idle.get_nowait()[1].close()
        await asyncio.sleep(0)

    async def _dialled(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._idle.put_nowait((reader, writer))

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            inside = await asyncio.wait_for(self._next_idle(), _WAIT_S)
        except TimeoutError:
            with suppress(OSError):
                writer.write(_BUSY)
                await writer.drain()
            writer.close()
            return
        try:
            await asyncio.gather(_pump(reader, inside[1]), _pump(inside[0], writer), return_exceptions=True)
        finally:
            inside[1].close()
            writer.close()

    async def _next_idle(self) -> _Pair:
        while True:
            pair = await self._idle.get()
            if not pair[0].at_eof() and not pair[1].is_closing():
                return pair
            pair[1].close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(_CHUNK):
            sink.write(data)
            await sink.drain()
    finally:
        with suppress(OSError):
            if sink.can_write_eof():
                sink.write_eof()
