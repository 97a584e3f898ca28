"""Installed components and their actions over HTTP."""

from __future__ import annotations

import html
import secrets
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from capmart_core.canonical import parse_json
from capmart_core.errors import CapmartError, InvalidRequest, NotAllowed, NotAuthenticated, TooLarge
from capmart_core.identifiers import ComponentId, check_action
from capmart_core.manifest.models import Manifest
from capmart_core.metrics import CONTENT_TYPE, exposition
from capmart_sdk.gateway.hosts import host_name
from capmart_sdk.gateway.openapi import openapi
from capmart_sdk.gateway.problems import language_of, problem
from capmart_sdk.gateway.settings import GatewaySettings
from capmart_sdk.node import Node

Applications = Callable[[str], list[tuple[ComponentId, str]]]
Endpoint = Callable[[Request], Awaitable[Response]]
_PAGE = """<!doctype html><html lang="{language}"><meta charset="utf-8"><title>Capmart</title>
<style>body{{font:16px/1.6 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem}}
table{{border-collapse:collapse;width:100%}}td,th{{text-align:left;padding:.4rem;border-bottom:1px solid #ddd}}</style>
<h1>Capmart</h1><table>{rows}</table><p><a href="/openapi.json">OpenAPI</a> · <a href="/components">JSON</a></p></html>
"""


class Actions:
    """The gateway's own origin: what is installed, its interface, and calls.

    Args:
        node: what is served.
        settings: of the gateway.
        token: what calls must carry; None when only this machine can call.
        applications: addresses of the applications, seen from a base address.
    """

    def __init__(self, node: Node, settings: GatewaySettings, token: str | None, applications: Applications) -> None:
        self._node = node
        self._settings = settings
        self._token = token
        self._applications = applications

    def app(self) -> Starlette:
        """The routes."""
        return Starlette(
            routes=[
                Route("/", _answered(self.page)),
                Route("/components", _answered(self.components)),
                Route("/components/{namespace}/{name}", _answered(self.component)),
                Route("/components/{namespace}/{name}/actions/{action}", _answered(self.call), methods=["POST"]),
                Route("/openapi.json", _answered(self.openapi)),
                Route("/metrics", _answered(self.metrics)),
            ]
        )

    async def page(self, request: Request) -> Response:
        """A page for a person who opens the gateway's address."""
        language = language_of(request)
        addresses = dict(self._applications(str(request.base_url)))
        rows = []
        for manifest in await run_in_threadpool(self._manifests):
            address = addresses.get(manifest.component)
            title = html.escape(manifest.title.get(language))
            shown = f'<a href="{html.escape(address)}">{title}</a>' if address else title
            actions = ", ".join(html.escape(action.name) for action in manifest.actions)
            rows.append(f"<tr><td>{shown}<td>{html.escape(manifest.id)} {html.escape(manifest.version)}<td>{actions}")
        body = _PAGE.format(language="zh-CN" if language == "zh" else "en", rows="".join(rows))
        policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"
        return HTMLResponse(body, headers={"Content-Security-Policy": policy})

    async def components(self, request: Request) -> Response:
        """Everything installed."""
        addresses = dict(self._applications(str(request.base_url)))
        manifests = await run_in_threadpool(self._manifests)
        return JSONResponse(
            [
                {
                    "id": manifest.id,
                    "version": manifest.version,
                    "kind": manifest.kind,
                    "title": manifest.title.model_dump(),
                    "actions": [
                        {"name": action.name, "title": action.title.model_dump(), "href": _href(manifest, action.name)}
                        for action in manifest.actions
                    ],
                    "files": [file.path for file in manifest.files],
                    "application": addresses.get(manifest.component),
                }
                for manifest in manifests
            ]
        )

    async def component(self, request: Request) -> Response:
        """One component's manifest."""
        manifest = await run_in_threadpool(self._node.manifest, _component(request))
        return JSONResponse(manifest.model_dump(mode="json", exclude_none=True))

    async def openapi(self, request: Request) -> Response:
        """The interface of every action, made from its schemas."""
        manifests = await run_in_threadpool(self._manifests)
        return JSONResponse(openapi(manifests, language_of(request), secured=self._token is not None))

    async def metrics(self, request: Request) -> Response:
        """What became of the calls, as Prometheus reads it; it tells who calls what, so it needs the token, too."""
        self._check_token(request)
        return Response(exposition(self._node.metrics()), media_type=CONTENT_TYPE)

    async def call(self, request: Request) -> Response:
        """Run one action: the body is its input, the answer its result."""
        self._check_caller(request)
        component = _component(request)
        action = check_action(request.path_params["action"])
        body = await _body(request, self._settings.max_input_bytes)
        value = parse_json(body, what="body", max_bytes=self._settings.max_input_bytes)
        language = language_of(request)
        result = await run_in_threadpool(self._node.call, component, action, value, language=language)
        return JSONResponse(result.value, headers={"Server-Timing": f"call;dur={result.usage.wall_ms:.2f}"})

    def _check_caller(self, request: Request) -> None:
        origin = request.headers.get("origin")
        if origin is not None and host_name(origin.partition("://")[2]) != host_name(request.headers.get("host", "")):
            raise NotAllowed(action=f"call from the page {origin[:200]}", needed="a page of this gateway's own origin")
        # A page elsewhere cannot send this type without asking first, which is never granted.
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise InvalidRequest(where="Content-Type", reason="application/json")
        self._check_token(request)

    def _check_token(self, request: Request) -> None:
        if self._token is not None:
            scheme, _, given = request.headers.get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not secrets.compare_digest(given.strip().encode(), self._token.encode()):
                raise NotAuthenticated(center=str(request.base_url))

    def _manifests(self) -> list[Manifest]:
        return [self._node.manifest(entry.id) for entry in self._node.lock().components]


def _answered(endpoint: Endpoint) -> Endpoint:
    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except CapmartError as error:
            return problem(error, request)

    return answer


def _component(request: Request) -> ComponentId:
    return ComponentId.parse(f"{request.path_params['namespace']}/{request.path_params['name']}")


def _href(manifest: Manifest, action: str) -> str:
    return f"/components/{manifest.id}/actions/{action}"


async def _body(request: Request, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise TooLarge(what="body", limit=limit)
        parts.append(chunk)
    return b"".join(parts)
