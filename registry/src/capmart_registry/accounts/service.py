"""Rules of organisations, accounts and tokens. Secrets are shown once and kept only as hashes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import re
import secrets
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from functools import lru_cache
from typing import get_args

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import Select

from capmart_core.errors import (
    Busy,
    InvalidIdentifier,
    InvalidRequest,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    StateConflict,
)
from capmart_core.times import now_utc
from capmart_registry.accounts.models import Account, Organisation, Token
from capmart_registry.accounts.principal import ROLES, SCOPES, Principal, Role, Scope, scopes_of
from capmart_registry.center import Center

_log = logging.getLogger("capmart.audit")

TOKEN_PREFIX = "cap_"  # noqa: S105 - a recognisable beginning, not a secret
SESSION_LABEL = "session"
OPERATOR = "operator"
"""The organisation that runs the center."""

MIN_PASSWORD = 10
MAX_PASSWORD = 200
_LAST_USED_STEP = timedelta(minutes=1)
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_USCC = re.compile(r"[0-9A-HJ-NPQRTUWXY]{18}")
_hasher = PasswordHasher()  # RFC 9106 low-memory profile; about 50 ms


def create_organisation(
    session: Session, name: str, *, title_zh: str, title_en: str, uscc: str | None = None
) -> Organisation:
    """Register an organisation.

    Raises:
        InvalidIdentifier: the name or the 统一社会信用代码 is not well formed.
        StateConflict: the name is taken.
    """
    _check_name("organisation", name)
    if uscc is not None and _USCC.fullmatch(uscc) is None:
        raise InvalidIdentifier(
            what="uscc", value=uscc[:40], expected="18 characters of GB 32100", example="91330000MA27XXXX0X"
        )
    if session.exec(select(Organisation).where(Organisation.name == name)).first():
        raise StateConflict(what=f"organisation {name}", state="registered", action="create", needed="unused")
    row = Organisation(name=name, title_zh=title_zh, title_en=title_en, uscc=uscc, created=now_utc())
    session.add(row)
    session.flush()
    return row


def ensure_operator(session: Session, *, title_zh: str, title_en: str) -> None:
    """Register the organisation that operates the center, unless it is registered."""
    if session.exec(select(Organisation).where(Organisation.name == OPERATOR)).first() is None:
        create_organisation(session, OPERATOR, title_zh=title_zh, title_en=title_en)


def ensure_admin(session: Session, name: str, password: str) -> Account:
    """The administrator called ``name`` with this password, created when there is none."""
    if session.exec(select(Account).where(Account.name == name)).first() is None:
        return create_account(session, name, organisation_name=OPERATOR, roles=("admin",), password=password)
    set_password(session, name, password)
    return account(session, name)


def organisation(session: Session, name: str) -> Organisation:
    """The organisation called ``name``.

    Raises:
        NotFound: there is none.
    """
    row = session.exec(select(Organisation).where(Organisation.name == name)).first()
    if row is None:
        raise NotFound(what=f"organisation {name[:100]}")
    return row


def create_account(
    session: Session, name: str, *, organisation_name: str, roles: Iterable[Role], password: str | None = None
) -> Account:
    """Create an account.

    Raises:
        InvalidIdentifier: the name is not well formed.
        InvalidRequest: a role is unknown or the password too short.
        NotFound: no such organisation.
        StateConflict: the name is taken.
    """
    _check_name("account", name)
    chosen = sorted(set(roles))
    if not chosen or set(chosen) - set(ROLES):
        raise InvalidRequest(where="roles", reason=f"choose from {', '.join(ROLES)}")
    if session.exec(select(Account).where(Account.name == name)).first():
        raise StateConflict(what=f"account {name}", state="registered", action="create", needed="unused")
    owner = organisation(session, organisation_name)
    assert owner.id is not None  # noqa: S101 - rows that were read have one
    row = Account(
        name=name,
        organisation_id=owner.id,
        password=None if password is None else hash_password(password),
        roles=" ".join(chosen),
        created=now_utc(),
    )
    session.add(row)
    session.flush()
    return row


def account(session: Session, name: str) -> Account:
    """The account called ``name``.

    Raises:
        NotFound: there is none.
    """
    row = session.exec(select(Account).where(Account.name == name)).first()
    if row is None:
        raise NotFound(what=f"account {name[:100]}")
    return row


def set_password(session: Session, name: str, password: str) -> None:
    """Give the account a new password and revoke its sign-ins.

    Raises:
        NotFound: no such account.
        InvalidRequest: the password is too short or too long.
    """
    row = account(session, name)
    row.password = hash_password(password)
    session.add(row)
    for token in _valid_tokens(session, row):
        if token.label == SESSION_LABEL:
            token.revoked = now_utc()
            session.add(token)


def disable_account(session: Session, name: str) -> None:
    """From now on the account may do nothing.

    Raises:
        NotFound: no such account.
    """
    row = account(session, name)
    row.disabled = row.disabled or now_utc()
    session.add(row)


def create_token(
    session: Session,
    center: Center,
    owner: Account,
    *,
    scopes: Iterable[Scope],
    label: str,
    life: timedelta | None = None,
) -> tuple[Token, str]:
    """Make a token for ``owner`` and return its row and its secret, which is never shown again.

    Raises:
        InvalidRequest: a scope is unknown, or the life is not positive.
        NotAllowed: the account's roles do not allow a scope.
    """
    chosen = frozenset(scopes)
    if not chosen or chosen - set(SCOPES):
        raise InvalidRequest(where="scopes", reason=f"choose from {', '.join(SCOPES)}")
    beyond = chosen - scopes_of(_roles(owner))
    if beyond:
        raise NotAllowed(action=f"have scope {', '.join(sorted(beyond))}", needed="a role that allows it")
    life = timedelta(days=center.settings.token_days) if life is None else life
    if life <= timedelta(0):
        raise InvalidRequest(where="life", reason="must be positive")
    assert owner.id is not None  # noqa: S101 - rows that were read have one
    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
    now = now_utc()
    row = Token(
        id=secrets.token_hex(6),
        account_id=owner.id,
        hash=_hash(secret),
        label=label[:100],
        scopes=" ".join(sorted(chosen)),
        created=now,
        expires=now + life,
    )
    session.add(row)
    session.flush()
    _log.info("token %s created for account %s, scopes %s", row.id, owner.name, row.scopes)
    return row, secret


def tokens_of(session: Session, name: str) -> list[Token]:
    """Every token of the account, newest first, without its secret.

    Raises:
        NotFound: no such account.
    """
    query = select(Token).where(Token.account_id == account(session, name).id).order_by(col(Token.created).desc())
    return list(session.exec(query))


def revoke_token(session: Session, token_id: str, *, owner: str | None = None) -> None:
    """End a token at once; ending it twice is harmless.

    Args:
        session: in a write transaction.
        token_id: what people name it by.
        owner: when given, the account whose token it must be.

    Raises:
        NotFound: no such token.
    """
    row = session.get(Token, token_id[:16])
    if row is None or (owner is not None and row.account_id != account(session, owner).id):
        raise NotFound(what=f"token {token_id[:16]}")
    row.revoked = row.revoked or now_utc()
    session.add(row)
    _log.info("token %s revoked", row.id)


def sign_in(center: Center, name: str, password: str) -> str:
    """Check a password and return the secret of a new sign-in, for the portal's cookie.

    It is a token like any other: :func:`principal_of_token` reads it, :func:`sign_out` ends it.

    Raises:
        NotAuthenticated: wrong name or password; the answer and its time are the same for both.
    """
    principal = principal_of_password(center, name, password)
    with center.db.write() as session:
        owner = account(session, principal.account)
        _, secret = create_token(
            session,
            center,
            owner,
            scopes=scopes_of(_roles(owner)),
            label=SESSION_LABEL,
            life=timedelta(hours=center.settings.session_hours),
        )
    return secret


def sign_out(center: Center, secret: str) -> None:
    """End the sign-in or token with this secret; unknown secrets are ignored."""
    with center.db.write() as session:
        row = session.exec(select(Token).where(Token.hash == _hash(secret))).first()
        if row is not None:
            revoke_token(session, row.id)


def authenticate_header(center: Center, header: str) -> Principal:
    """The account that an ``Authorization`` header names, by ``Bearer TOKEN`` or ``Basic NAME:TOKEN-or-password``.

    Raises:
        NotAuthenticated: the header or the secret in it is wrong, expired or revoked.
    """
    kind, _, value = header[:4096].partition(" ")
    if kind.lower() == "bearer":
        return principal_of_token(center, value.strip())
    if kind.lower() == "basic":
        return principal_of_basic(center, value.strip())
    raise NotAuthenticated(center=center.origin)


def principal_of_basic(center: Center, value: str) -> Principal:
    """The account behind the value of a Basic header; the password may be a token.

    Raises:
        NotAuthenticated: it is not well formed, or the secret is wrong.
    """
    try:
        name, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise NotAuthenticated(center=center.origin) from error
    if secret.startswith(TOKEN_PREFIX):
        return principal_of_token(center, secret)
    return principal_of_password(center, name, secret)


def principal_of_token(center: Center, secret: str) -> Principal:
    """The account behind a token's secret.

    Raises:
        NotAuthenticated: unknown, expired or revoked, or its account is disabled.
    """
    with center.db.read() as session:
        found = session.exec(_with_owner().where(Token.hash == _hash(secret))).first()
    principal = None if found is None else _principal(*found)
    if found is None or principal is None:
        _log.warning("a token was refused: %s", "unknown" if found is None else found[0].id)
        raise NotAuthenticated(center=center.origin)
    token = found[0]
    if token.last_used is None or now_utc() - token.last_used >= _LAST_USED_STEP:
        _note_use(center, token.id)
    return principal


def principal_of_token_id(center: Center, token_id: str) -> Principal:
    """The account of a token that was authenticated a moment ago, if the token still holds.

    Raises:
        NotAuthenticated: it was revoked, has expired, or its account is disabled.
    """
    with center.db.read() as session:
        found = session.exec(_with_owner().where(Token.id == token_id[:16])).first()
    principal = None if found is None else _principal(*found)
    if principal is None:
        raise NotAuthenticated(center=center.origin)
    return principal


def principal_of_account(center: Center, name: str) -> Principal:
    """The account that was authenticated by password a moment ago, with every scope of its roles.

    Raises:
        NotAuthenticated: it is gone or disabled.
    """
    with center.db.read() as session:
        row = session.exec(select(Account).where(Account.name == name)).first()
        if row is None or row.disabled is not None:
            raise NotAuthenticated(center=center.origin)
        home = session.get_one(Organisation, row.organisation_id)
    return _principal_of(row, home, scopes_of(_roles(row)), None)


def principal_of_password(center: Center, name: str, password: str) -> Principal:
    """The account whose name and password these are, with every scope of its roles.

    Raises:
        NotAuthenticated: wrong name or password; the answer and its time are the same for both.
    """
    with center.db.read() as session:
        row = session.exec(select(Account).where(Account.name == name[:64])).first()
    stored = row.password if row is not None and row.password is not None and row.disabled is None else None
    try:
        _hasher.verify(stored or _nobody(), password[:MAX_PASSWORD])
    except (VerificationError, InvalidHashError) as error:
        _log.warning("a password was refused")
        raise NotAuthenticated(center=center.origin) from error
    if stored is None or row is None:
        raise NotAuthenticated(center=center.origin)
    return principal_of_account(center, row.name)


def hash_password(password: str) -> str:
    """The argon2 hash of a new password.

    Raises:
        InvalidRequest: it is too short or too long.
    """
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise InvalidRequest(where="password", reason=f"use {MIN_PASSWORD} to {MAX_PASSWORD} characters")
    return _hasher.hash(password)


def _note_use(center: Center, token_id: str) -> None:
    """Remember that a token was used; a database too busy for it must not turn its owner away."""
    with suppress(Busy), center.db.write() as session:
        row = session.get(Token, token_id)
        if row is not None:
            row.last_used = now_utc()
            session.add(row)


@lru_cache(maxsize=1)
def _nobody() -> str:
    """A hash that no password has, so that unknown names take as long as known ones."""
    return _hasher.hash(secrets.token_urlsafe(32))


def _with_owner() -> Select[Token, Account, Organisation]:
    """Every request asks this: one question, not three."""
    return (
        select(Token, Account, Organisation)
        .join(Account, col(Account.id) == col(Token.account_id))
        .join(Organisation, col(Organisation.id) == col(Account.organisation_id))
    )


def _principal(token: Token, owner: Account, home: Organisation) -> Principal | None:
    if token.revoked is not None or token.expires <= now_utc() or owner.disabled is not None:
        return None
    granted: frozenset[Scope] = frozenset(scope for scope in SCOPES if scope in token.scopes.split())
    return _principal_of(owner, home, granted & scopes_of(_roles(owner)), token.id)


def _principal_of(owner: Account, home: Organisation, scopes: frozenset[Scope], token: str | None) -> Principal:
    assert owner.id is not None  # noqa: S101 - rows that were read have one
    return Principal(owner.id, owner.name, home.name, _roles(owner), scopes, token)


def _roles(row: Account) -> frozenset[Role]:
    return frozenset(role for role in get_args(Role) if role in row.roles.split())


def _valid_tokens(session: Session, row: Account) -> list[Token]:
    query = select(Token).where(Token.account_id == row.id, col(Token.revoked).is_(None))
    return [token for token in session.exec(query) if token.expires > now_utc()]


def _check_name(what: str, name: str) -> None:
    if _NAME.fullmatch(name) is None:
        raise InvalidIdentifier(what=what, value=name[:100], expected="a-z, 0-9, ., _ and -", example="acme")


def _hash(secret: str) -> str:
    return hashlib.sha256(secret[:200].encode()).hexdigest()
