"""The gateway as an ASGI application: the Host header says whose origin a request is for."""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from capmart_core.errors import InvalidRequest, NotFound
from capmart_core.identifiers import ComponentId
from capmart_core.manifest.models import ImageDelivery, Manifest, PythonDelivery
from capmart_sdk.gateway.actions import Actions
from capmart_sdk.gateway.hosts import Hosts, host_name, labels
from capmart_sdk.gateway.problems import problem
from capmart_sdk.gateway.proxy import ApplicationProxy
from capmart_sdk.gateway.settings import GatewaySettings
from capmart_sdk.node import Node

MISDIRECTED = 421


class Gateway:
    """An ASGI application over one node.

    The gateway's own origin never serves an application's content; an application's origin serves nothing else.

    Args:
        node: what is served; the caller closes it.
        settings: where it listens and what it lets through.
    """

    def __init__(self, node: Node, settings: GatewaySettings) -> None:
        self.node = node
        self.settings = settings
        self.made_token = None if settings.token or settings.is_local else secrets.token_urlsafe(24)
        self._hosts = Hosts(settings)
        self._actions = Actions(node, settings, settings.token or self.made_token, self.applications).app()
        self._proxy = ApplicationProxy(node, settings)
        self._known: tuple[object, dict[str, ComponentId]] | None = None

    def applications(self, url: str) -> list[tuple[ComponentId, str]]:
        """Every installed application with the address of its page, seen from the gateway's address ``url``."""
        parts = urlsplit(url)
        host = parts.hostname or "localhost"
        base = host if self._hosts.label(f"x.{host}") else "localhost"
        port = f":{parts.port}" if parts.port else ""
        found = []
        for label, component in self._labels().items():
            page = _page(self.node.manifest(component))
            if page is not None:
                found.append((component, f"{parts.scheme}://{label}.{base}{port}{page}"))
        return found

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "not offered"})
        else:
            await self._http(scope, receive, send)

    async def close(self) -> None:
        """Close the connections to applications; the node is its caller's to close."""
        await self._proxy.close()

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        host = host_name(request.headers.get("host", ""))
        if host is not None and self._hosts.is_gateway(host):
            await self._actions(scope, receive, send)
            return
        label = self._hosts.label(host) if host is not None else None
        if label is None:
            error = InvalidRequest(where="Host", reason=f"{(host or '')[:100]!r} is not a name of this gateway")
            response = problem(error, request, status=MISDIRECTED)
        elif (component := self._labels().get(label)) is None:
            response = problem(NotFound(what=f"application {label}"), request)
        else:
            await (await self._proxy.answer(request, component))(scope, receive, send)
            return
        await response(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.close()
        await send({"type": "lifespan.shutdown.complete"})

    def _labels(self) -> dict[str, ComponentId]:
        """The applications by label; worked out again only when something else is installed."""
        lock = self.node.lock()
        if self._known is None or self._known[0] is not lock:
            applications = [
                ComponentId.parse(entry.id) for entry in lock.components if speaks_http(self.node.manifest(entry.id))
            ]
            self._known = (lock, labels(applications))
        return self._known[1]


def build_gateway(node: Node, settings: GatewaySettings | None = None) -> Gateway:
    """The gateway over ``node``."""
    return Gateway(node, settings or GatewaySettings())


def speaks_http(manifest: Manifest) -> bool:
    """Whether a component has a page or an interface of its own, so that it gets an origin."""
    delivery = manifest.delivery
    return isinstance(delivery, PythonDelivery | ImageDelivery) and delivery.http is not None


def _page(manifest: Manifest) -> str | None:
    delivery = manifest.delivery
    if not isinstance(delivery, PythonDelivery | ImageDelivery) or delivery.http is None:
        return None
    return delivery.http.page
