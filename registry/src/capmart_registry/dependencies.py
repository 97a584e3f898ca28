"""What routes ask for: the center, a session to read with, the caller's language and account."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated

from fastapi import Depends, Request
from sqlmodel import Session

from capmart_core.errors import NotAllowed, NotAuthenticated
from capmart_core.text import Language
from capmart_registry.accounts import service as accounts
from capmart_registry.accounts.principal import Principal, Scope
from capmart_registry.center import Center
from capmart_registry.problems import language_of


def center_of(request: Request) -> Center:
    """The running center."""
    center: Center = request.app.state.center
    return center


CenterDep = Annotated[Center, Depends(center_of)]


def read_session(center: CenterDep) -> Iterator[Session]:
    """A session that only reads. To write: ``with center.db.write() as session``."""
    with center.db.read() as session:
        yield session


SessionDep = Annotated[Session, Depends(read_session)]
LanguageDep = Annotated[Language, Depends(language_of)]


def account_or_nobody(request: Request, center: CenterDep) -> Principal | None:
    """The account behind ``Authorization: Bearer cap_…`` or HTTP Basic; None when the request names none.

    Raises:
        NotAuthenticated: it names one, but the secret is wrong, expired or revoked.
    """
    header = request.headers.get("authorization")
    request.state.principal = None if header is None else accounts.authenticate_header(center, header)
    principal: Principal | None = request.state.principal
    return principal


MaybeAccount = Annotated[Principal | None, Depends(account_or_nobody)]


def account(center: CenterDep, principal: MaybeAccount) -> Principal:
    """The caller's account.

    Raises:
        NotAuthenticated: nobody is signed in.
    """
    if principal is None:
        raise NotAuthenticated(center=center.origin)
    return principal


CurrentAccount = Annotated[Principal, Depends(account)]


def require(scope: Scope) -> Callable[[Principal], Principal]:
    """A dependency: the caller's account, which must hold ``scope``.

    Example::

        @router.post("/submissions")
        def submit(who: Annotated[Principal, Depends(require("publish"))]) -> ...: ...

    Raises:
        NotAuthenticated: nobody is signed in.
        NotAllowed: the token or the account's roles lack the scope.
    """

    def check(principal: CurrentAccount) -> Principal:
        check_scope(principal, scope)
        return principal

    return check


def check_scope(principal: Principal, scope: Scope) -> None:
    """Refuse an account without ``scope``.

    Raises:
        NotAllowed: it lacks the scope.
    """
    if scope not in principal.scopes:
        raise NotAllowed(action=f"use this with {principal.describe()}", needed=f"a token with scope {scope}")
