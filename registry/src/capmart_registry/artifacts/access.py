"""Who may read and write what under ``/v2/``, and the short-lived bearers of the token flow."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time

from sqlmodel import Session

from capmart_core.errors import NotAllowed, NotAuthenticated
from capmart_registry.accounts import service as accounts
from capmart_registry.accounts.principal import Principal
from capmart_registry.catalog import service as catalog
from capmart_registry.catalog.models import LedgerNamespace
from capmart_registry.center import Center

BEARER_LIFE_S = 900
_PREFIX = "v2."


def make_bearer(center: Center, who: Principal | None) -> str:
    """A bearer for the next quarter of an hour; for nobody in particular when ``who`` is None."""
    claims = {"t": who.token if who else None, "a": who.account if who else None, "e": int(time.time()) + BEARER_LIFE_S}
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode()
    return f"{_PREFIX}{body}.{_mac(center, body)}"


def principal_of(center: Center, header: str | None) -> Principal | None:
    """Whom an ``Authorization`` header names: a bearer of the token flow, a token, or a password; None for nobody.

    Raises:
        NotAuthenticated: it is wrong, expired or revoked.
    """
    if header is None:
        return None
    value = header.partition(" ")[2].strip()
    if not value.startswith(_PREFIX):
        return accounts.authenticate_header(center, header)
    body, _, mac = value.removeprefix(_PREFIX).rpartition(".")
    if not _same(_mac(center, body), mac):
        raise NotAuthenticated(center=center.origin)
    try:
        claims = json.loads(base64.urlsafe_b64decode(body))
    except (ValueError, binascii.Error) as error:
        raise NotAuthenticated(center=center.origin) from error
    if claims["e"] < time.time():
        raise NotAuthenticated(center=center.origin)
    if claims["t"] is not None:
        return accounts.principal_of_token_id(center, claims["t"])
    return None if claims["a"] is None else accounts.principal_of_account(center, claims["a"])


def owns(session: Session, who: Principal | None, repository: str) -> bool:
    """Whether ``repository`` is in a namespace of the caller's organisation."""
    if who is None:
        return False
    found = session.get(LedgerNamespace, repository.partition("/")[0])
    return found is not None and found.organisation == who.organisation


def may_read(session: Session, who: Principal | None, repository: str, digest: str) -> bool:
    """Whether the caller may read ``digest``: everybody what is listed, its owner and reviewers what is not."""
    if who is not None and (who.reviews or ("read" in who.scopes and owns(session, who, repository))):
        return True
    return catalog.is_public(session, repository, digest)


def check_write(center: Center, session: Session, who: Principal | None, repository: str) -> Principal:
    """Refuse a caller who may not change ``repository``.

    Raises:
        NotAuthenticated: nobody is signed in.
        NotAllowed: the repository is another organisation's, or the token may not push.
    """
    if who is None:
        raise NotAuthenticated(center=center.origin)
    if "push" not in who.scopes:
        raise NotAllowed(action=f"push to {repository}", needed="a token with scope push")
    namespace = session.get(LedgerNamespace, repository.partition("/")[0])
    if namespace is None or namespace.home != center.origin or namespace.organisation != who.organisation:
        raise NotAllowed(
            action=f"push to {repository}", needed=f"namespace {repository.partition('/')[0]}, granted by this center"
        )
    return who


def upload_name(center: Center, repository: str, upload: str) -> str:
    """The name under which clients know an upload; bound to its repository, so that it is no other's."""
    return f"{upload}.{_mac(center, f'{repository} {upload}')[:32]}"


def upload_of(center: Center, repository: str, name: str) -> str | None:
    """The upload behind a client's name for it; None when the name was not made here for this repository."""
    upload, _, _ = name.rpartition(".")
    return upload if _same(upload_name(center, repository, upload), name) else None


def _same(made: str, given: str) -> bool:
    """Whether two texts are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(made.encode(), given.encode("utf-8", "replace"))


def _mac(center: Center, text: str) -> str:
    return hmac.new(center.secret, text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
