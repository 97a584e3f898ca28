"""Rendering: templates with the center, the viewer and both languages at hand."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from capmart_core.text import Language, Text
from capmart_core.times import format_utc
from capmart_registry import __version__
from capmart_registry.catalog.facets import code_title
from capmart_registry.center import Center
from capmart_registry.portal import wording
from capmart_registry.portal.viewer import Viewer


class CenterFacts(NamedTuple):
    """What every page says of the center."""

    origin: str
    title: Text
    fingerprint: str
    url: str
    version: str


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("capmart_registry.portal"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(
    request: Request,
    center: Center,
    viewer: Viewer | None,
    language: Language,
    template: str,
    *,
    status: int = 200,
    section: str = "",
    **values: Any,
) -> HTMLResponse:
    """One page.

    Args:
        request: the request that it answers.
        center: this center.
        viewer: who is signed in.
        language: of the page.
        template: file name.
        status: HTTP status.
        section: of the main navigation.
        values: what the template names.
    """
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    url = center.settings.public_url or f"{request.url.scheme}://{request.url.netloc}"
    html = (
        _templates()
        .get_template(template)
        .render(
            lang=language,
            center=CenterFacts(
                center.origin, center.settings.title, center.signer.public.fingerprint, url, __version__
            ),
            viewer=viewer,
            section=section,
            here=here if request.method == "GET" else "/",
            t=lambda en, zh, **data: (zh if language == "zh" else en).format(**data),
            kind_title=lambda code: code_title("kind", code).get(language),
            state_title=lambda code: wording.said(wording.STATES, code, language),
            severity_title=lambda code: wording.said(wording.SEVERITIES, code, language),
            utc=format_utc,
            **values,
        )
    )
    return HTMLResponse(html, status, {"Cache-Control": "private, no-store", "Vary": "Cookie, Accept-Language"})


def link(path: str, **parameters: str | None) -> str:
    """``path`` with those parameters that have a value."""
    query = urlencode({name: value for name, value in parameters.items() if value})
    return f"{path}?{query}" if query else path


def inside(target: str) -> str:
    """``target`` if it is a path of this portal, else the start: no open redirects."""
    return target if target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable() else "/"
