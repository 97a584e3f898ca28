"""An application's origin: every request goes to its Unix socket and the answer streams back."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import httpx
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from capmart_core.errors import CapmartError, Crashed, NotFound, TooLarge
from capmart_core.identifiers import ComponentId
from capmart_sdk.gateway.problems import problem
from capmart_sdk.gateway.settings import GatewaySettings
from capmart_sdk.node import Node

# RFC 9110, section 7.6.1, and what older programs still send.
HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"trailers",
        b"transfer-encoding",
        b"upgrade",
    }
)
# What only this gateway may say.
_OURS = frozenset({b"host", b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip"})
_COOKIE_DOMAIN = re.compile(rb";\s*domain\s*=[^;]*", re.IGNORECASE)
Headers = Iterable[tuple[bytes, bytes]]


class ApplicationProxy:
    """Forwards requests to applications, which start at their first one.

    Args:
        node: where they are installed.
        settings: of the gateway.
    """

    def __init__(self, node: Node, settings: GatewaySettings) -> None:
        self._node = node
        self._settings = settings
        self._clients: dict[Path, httpx.AsyncClient] = {}

    async def close(self) -> None:
        """Close the connections."""
        while self._clients:
            await self._clients.popitem()[1].aclose()

    async def answer(self, request: Request, component: ComponentId) -> Response:
        """The application's answer, or the problem that there is none."""
        try:
            return await self._forward(request, component)
        except CapmartError as error:
            return problem(error, request)

    async def _forward(self, request: Request, component: ComponentId) -> Response:
        limit = self._settings.max_body_bytes
        length = request.headers.get("content-length", "")
        if length.isdigit() and int(length) > limit:
            raise TooLarge(what="body", limit=limit)
        instance = await run_in_threadpool(self._node.instance, component)
        socket = instance.socket
        if socket is None:
            raise NotFound(what=f"page of {component}")
        path = request.scope.get("raw_path") or request.scope["path"].encode()
        query = request.scope.get("query_string", b"")
        forwarded = httpx.Request(
            request.method,
            httpx.URL("http://application", raw_path=path + (b"?" + query if query else b"")),
            headers=[*request_headers(request.headers.raw), *self._forwarded(request)],
            content=_bounded(request, limit) if _has_body(request) else None,
        )
        try:
            answer = await self._client(socket).send(forwarded, stream=True)
        except ClientDisconnect:
            return Response(status_code=499)
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise Crashed(
                component=component, action=f"{request.method} {request.url.path[:200]}", reason=reason
            ) from error
        response = StreamingResponse(
            answer.aiter_raw(), status_code=answer.status_code, background=BackgroundTask(answer.aclose)
        )
        response.raw_headers = response_headers(answer.headers.raw)
        return response

    def _client(self, socket: Path) -> httpx.AsyncClient:
        known = self._clients.get(socket)
        if known is None:
            timeout = httpx.Timeout(self._settings.app_timeout_s, connect=10.0)
            # No User-Agent, Accept or cookies of ours: the application sees what the browser sent.
            known = httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(socket)), timeout=timeout)
            self._clients[socket] = known
        return known

    def _forwarded(self, request: Request) -> Headers:
        host = request.headers.get("host", "")
        client = request.client.host if request.client else ""
        return [
            (b"host", host.encode("latin-1")),
            (b"x-forwarded-host", host.encode("latin-1")),
            (b"x-forwarded-proto", request.url.scheme.encode()),
            (b"x-forwarded-for", client.encode()),
        ]


def request_headers(headers: Headers) -> list[tuple[bytes, bytes]]:
    """What of a request's headers reaches the application."""
    kept = end_to_end(headers)
    return [(name, value) for name, value in kept if name.lower() not in _OURS]


def response_headers(headers: Headers) -> list[tuple[bytes, bytes]]:
    """What of an answer's headers reaches the browser; a cookie stays on the application's own origin."""
    return [
        (name.lower(), _COOKIE_DOMAIN.sub(b"", value) if name.lower() == b"set-cookie" else value)
        for name, value in end_to_end(headers)
        if name.lower() != b"date"  # the gateway's server dates every answer
    ]


def end_to_end(headers: Headers) -> list[tuple[bytes, bytes]]:
    """The headers without those of one connection: the known ones, and those that ``Connection`` names."""
    listed = list(headers)
    named = {
        token.strip().lower() for name, value in listed if name.lower() == b"connection" for token in value.split(b",")
    }
    return [(name, value) for name, value in listed if name.lower() not in HOP_BY_HOP | named]


def _has_body(request: Request) -> bool:
    return "content-length" in request.headers or "transfer-encoding" in request.headers


async def _bounded(request: Request, limit: int) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise TooLarge(what="body", limit=limit)
        yield chunk
