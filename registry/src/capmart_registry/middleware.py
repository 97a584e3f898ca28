"""What every request passes: a request id, security headers and a bound on its body."""

from __future__ import annotations

import re
import secrets
from collections.abc import MutableMapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from capmart_core.errors import TooLarge

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")

_SOURCES = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "font-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}
_POLICY = "; ".join(f"{name} {value}" for name, value in _SOURCES.items()).encode()

SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", _POLICY),
)


class RequestGuard:
    """ASGI middleware. Content under ``/v2/`` has limits of its own and passes unbounded here.

    Args:
        max_body_bytes: largest body of any other request.
    """

    def __init__(self, app: ASGIApp, *, max_body_bytes: int) -> None:
        self.app = app
        self.max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8).encode()
        scope.setdefault("state", {})["request_id"] = request_id.decode()
        scope["state"]["body_too_large"] = self._declares_too_much(scope, headers)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add_headers(message, request_id)
            await send(message)

        bounded = receive if _has_own_limits(scope) else _Bounded(receive, self.max_body_bytes, scope)
        await self.app(scope, bounded, send_guarded)

    def _declares_too_much(self, scope: Scope, headers: dict[bytes, bytes]) -> bool:
        length = headers.get(b"content-length", b"0")
        return not _has_own_limits(scope) and length.isdigit() and int(length) > self.max_body_bytes


class _Bounded:
    """Receives a body, failing once it has more than ``limit`` bytes."""

    def __init__(self, receive: Receive, limit: int, scope: Scope) -> None:
        self._receive = receive
        self._limit = limit
        self._left = -1 if scope["state"]["body_too_large"] else limit

    async def __call__(self) -> MutableMapping[str, Any]:
        if self._left < 0:
            raise TooLarge(what="the request's body", limit=self._limit)
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise TooLarge(what="the request's body", limit=self._limit)
        return message


def _has_own_limits(scope: Scope) -> bool:
    path: str = scope["path"]
    return path.startswith("/v2/")


def _add_headers(message: Message, request_id: bytes) -> None:
    headers = list(message.get("headers", ()))
    present = {name for name, _ in headers}
    headers.extend(pair for pair in SECURITY_HEADERS if pair[0] not in present)
    headers.append((b"x-request-id", request_id))
    message["headers"] = headers
