"""The gateway's web server."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from typing import NoReturn

import uvicorn

from capmart_core.errors import SettingsInvalid
from capmart_sdk.gateway.app import Gateway

GRACE_S = 5
MAX_HEADER_BYTES = 64 * 1024
_WAIT_S = 0.02


def serve(gateway: Gateway, on_ready: Callable[[str], None]) -> None:
    """Serve until interrupted or terminated.

    Args:
        gateway: what is served, and where.
        on_ready: told the address once requests are answered.

    Raises:
        SettingsInvalid: the address cannot be listened on.
    """
    settings = gateway.settings
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listener = socket.create_server((settings.host, settings.port), family=family, backlog=512)
    except OSError as error:
        reason = f"{settings.host}:{settings.port}: {error.strerror}"
        raise SettingsInvalid(name="--host / --port", reason=reason) from error
    # Connections inherit it. Without it each answer waits 40 ms for the client to acknowledge its first half: asyncio
    # sets it only on sockets made with the protocol named, which create_server() does not do.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    config = uvicorn.Config(
        gateway,
        log_level="warning",
        lifespan="on",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_S,
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
    )
    # The server hands a signal on once it has stopped; the node's instances must be ended then, not left behind.
    previous = signal.signal(signal.SIGTERM, _stop)
    try:
        with listener:
            asyncio.run(_run(uvicorn.Server(config), listener, on_ready))
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGTERM, previous)


async def _run(server: uvicorn.Server, listener: socket.socket, on_ready: Callable[[str], None]) -> None:
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not serving.done():  # noqa: ASYNC110  # the server offers no event for it
        await asyncio.sleep(_WAIT_S)
    if server.started:
        host, port = listener.getsockname()[:2]
        name = "localhost" if host in {"127.0.0.1", "::1"} else f"[{host}]" if ":" in host else host
        on_ready(f"http://{name}:{port}")
    await serving


def _stop(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(0)
