"""Signing in and out, and choosing the language."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from capmart_core.errors import NotAuthenticated
from capmart_core.text import Language
from capmart_registry.accounts import service as accounts
from capmart_registry.dependencies import CenterDep
from capmart_registry.portal.pages import inside, render
from capmart_registry.portal.viewer import (
    LANGUAGE_COOKIE,
    SESSION_COOKIE,
    LanguageDep,
    MaybeViewer,
    check_csrf,
)

router = APIRouter(include_in_schema=False)

_YEAR_S = 365 * 24 * 3600


@router.get("/sign-in")
def sign_in_page(
    request: Request,
    center: CenterDep,
    viewer: MaybeViewer,
    language: LanguageDep,
    next: str = "/",  # noqa: A002 - the name that people know from other sites
) -> Response:
    """The form."""
    return render(request, center, viewer, language, "sign_in.html", next=inside(next), wrong=False, name="")


@router.post("/sign-in")
def sign_in(
    request: Request,
    center: CenterDep,
    language: LanguageDep,
    name: Annotated[str, Form(max_length=100)],
    password: Annotated[str, Form(max_length=1000)],
    next: Annotated[str, Form(max_length=2000)] = "/",  # noqa: A002 - as above
) -> Response:
    """Check the password and set the session cookie."""
    try:
        secret = accounts.sign_in(center, name, password)
    except NotAuthenticated:
        return render(
            request, center, None, language, "sign_in.html", status=401, next=inside(next), wrong=True, name=name
        )
    response = RedirectResponse(inside(next), 303)
    response.set_cookie(
        SESSION_COOKIE,
        secret,
        max_age=center.settings.session_hours * 3600,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return response


@router.post("/sign-out")
def sign_out(
    request: Request, center: CenterDep, viewer: MaybeViewer, csrf: Annotated[str, Form(max_length=100)] = ""
) -> Response:
    """End the sign-in."""
    if viewer is not None:
        check_csrf(viewer, csrf)
        accounts.sign_out(center, request.cookies[SESSION_COOKIE])
    response = RedirectResponse("/", 303)
    response.delete_cookie(SESSION_COOKIE)
    return response


@router.post("/language")
def choose_language(
    language: Annotated[Language, Form()],
    next: Annotated[str, Form(max_length=2000)] = "/",  # noqa: A002 - as above
) -> Response:
    """Remember the language in a cookie; it changes nothing else, so the form needs no token."""
    response = RedirectResponse(inside(next), 303)
    response.set_cookie(LANGUAGE_COOKIE, language, max_age=_YEAR_S, httponly=True, samesite="lax")
    return response
