"""Who looks at the portal: the language they read, their account, and the proof that a form is theirs."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Form, Request

from capmart_core.errors import NotAllowed, NotAuthenticated
from capmart_core.text import Language
from capmart_registry.accounts import service as accounts
from capmart_registry.accounts.principal import Principal
from capmart_registry.center import Center
from capmart_registry.dependencies import CenterDep

SESSION_COOKIE = "capmart_session"
LANGUAGE_COOKIE = "capmart_language"


@dataclass(frozen=True)
class Viewer:
    """A signed-in person.

    Attributes:
        csrf: what every form of theirs must carry; derived from the sign-in, so nothing needs to be stored.
    """

    principal: Principal
    csrf: str

    @property
    def name(self) -> str:
        """The account's name."""
        return self.principal.account

    @property
    def reviews(self) -> bool:
        """Whether the review desk is theirs."""
        return self.principal.reviews


def language_of(request: Request) -> Language:
    """The language chosen by the cookie, else the first of ``Accept-Language`` that the portal speaks, else Chinese."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    if chosen is None:
        tags = request.headers.get("accept-language", "")[:500].lower().split(",")
        chosen = next((tag.strip()[:2] for tag in tags if tag.strip()[:2] in ("zh", "en")), "zh")
    return "en" if chosen == "en" else "zh"


def viewer_or_nobody(request: Request, center: CenterDep) -> Viewer | None:
    """The viewer behind the session cookie; None when nobody is signed in or the sign-in has ended."""
    secret = request.cookies.get(SESSION_COOKIE)
    if not secret:
        return None
    try:
        return Viewer(accounts.principal_of_token(center, secret[:200]), csrf_of(center, secret))
    except NotAuthenticated:
        return None


LanguageDep = Annotated[Language, Depends(language_of)]
MaybeViewer = Annotated[Viewer | None, Depends(viewer_or_nobody)]


def reviewer(center: CenterDep, viewer: MaybeViewer) -> Viewer:
    """A viewer who may use the review desk.

    Raises:
        NotAuthenticated: nobody is signed in.
        NotAllowed: the account's roles do not include reviewing.
    """
    if viewer is None:
        raise NotAuthenticated(center=center.origin)
    if not viewer.reviews:
        raise NotAllowed(action="use the review desk", needed="the role reviewer or admin")
    return viewer


ReviewerDep = Annotated[Viewer, Depends(reviewer)]


def signed_form(viewer: ReviewerDep, csrf: Annotated[str, Form(max_length=100)] = "") -> Viewer:
    """A reviewer whose form carries their own token.

    Raises:
        NotAllowed: the form was made elsewhere (cross-site request forgery).
    """
    check_csrf(viewer, csrf)
    return viewer


SignedForm = Annotated[Viewer, Depends(signed_form)]


def check_csrf(viewer: Viewer, given: str) -> None:
    """Refuse a form that was not made for ``viewer``.

    Raises:
        NotAllowed: it was not.
    """
    if not hmac.compare_digest(viewer.csrf, given):
        raise NotAllowed(action="send this form", needed="a form opened in this sign-in; load the page again")


def csrf_of(center: Center, secret: str) -> str:
    """The form token of a sign-in."""
    return hmac.new(center.secret, b"csrf:" + secret.encode(), hashlib.sha256).hexdigest()
