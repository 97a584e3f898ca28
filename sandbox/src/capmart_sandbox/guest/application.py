"""Serving an HTTP component: start it, wait until it is healthy, and carry connections to it.

The container has no network and cannot be dialled. The guest therefore dials out: it keeps a few idle connections to
the host's socket; the host speaks HTTP on one, the guest carries it to the component's port and dials the next.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
import time
import traceback

from . import framing

TYPE_CHECKING = False
if TYPE_CHECKING:  # the guest starts faster without typing
    import socket
    from collections.abc import Coroutine
    from typing import Any

IDLE = 4
MOST = 64
_CHUNK = 65_536
_POLL_S = 0.02


def serve_application(stream: socket.socket, order: dict[str, Any]) -> None:
    """Start the component when it is Python, wait for its health, then carry connections until the host goes away."""
    child = _start(stream, order) if order["entry"] else None
    problem = _wait_until_healthy(order, child)
    if problem is not None:
        framing.send_frame(stream, framing.FAILED, {"reason": problem})
        return
    framing.send_frame(stream, framing.READY, {})
    asyncio.run(_carry(stream, order, child))


def _start(stream: socket.socket, order: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        stream.close()
        os.setsid()
        module, _, function = order["entry"].partition(":")
        getattr(importlib.import_module(module), function)()
    except BaseException:  # noqa: BLE001 - told to the log; the parent sees that the process ended
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(70)
    os._exit(0)


def _wait_until_healthy(order: dict[str, Any], child: int | None) -> str | None:
    until = time.monotonic() + order["init_s"]
    while time.monotonic() < until:
        if child is not None and os.waitpid(child, os.WNOHANG)[0]:
            return "it ended before it was ready; see its log"
        if _healthy(order["port"], order["health"]):
            return None
        time.sleep(_POLL_S)
    return f"{order['health']} on port {order['port']} did not answer 200 within {order['init_s']} s"


def _healthy(port: int, path: str) -> bool:
    import http.client  # noqa: PLC0415 - guests that answer calls never need it

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


async def _carry(stream: socket.socket, order: dict[str, Any], child: int | None) -> None:
    stream.setblocking(False)  # noqa: FBT003 - the socket module's own signature
    loop = asyncio.get_running_loop()
    gone = loop.create_task(loop.sock_recv(stream, 1))
    slots = asyncio.Semaphore(MOST)
    idle = asyncio.Semaphore(IDLE)
    running: set[asyncio.Task[None]] = set()

    async def one() -> None:
        started = False
        try:
            reader, writer = await asyncio.open_unix_connection(order["data_socket"])
            first = await reader.read(_CHUNK)
            idle.release()
            started = True
            if first:
                await _splice(order["port"], first, reader, writer)
            writer.close()
        except OSError:
            pass
        finally:
            if not started:
                await asyncio.sleep(_POLL_S)
                idle.release()
            slots.release()

    while not gone.done():
        await _first_of(gone, slots.acquire())
        await _first_of(gone, idle.acquire())
        if child is not None and _ended(child):
            return  # the component ended; the host sees us end and starts anew
        task = loop.create_task(one())
        running.add(task)
        task.add_done_callback(running.discard)


def _ended(pid: int) -> bool:
    return os.waitpid(pid, os.WNOHANG)[0] != 0


async def _first_of(gone: asyncio.Task[bytes], other: Coroutine[Any, Any, Any]) -> None:
    waiting = asyncio.ensure_future(other)
    await asyncio.wait({gone, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if not waiting.done():
        waiting.cancel()


async def _splice(port: int, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        return
    inner_writer.write(first)
    await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer), return_exceptions=True)
    inner_writer.close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(_CHUNK):
            sink.write(data)
            await sink.drain()
    finally:
        if sink.can_write_eof():
            sink.write_eof()
