"""Tables of organisations, accounts and tokens."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Field, SQLModel

from capmart_registry.db import UtcDateTime


class Organisation(SQLModel, table=True):
    """Owns namespaces. ``name`` is stable and appears in the log; the titles may change.

    Attributes:
        uscc: 统一社会信用代码 (GB 32100), 18 characters.
    """

    __tablename__ = "organisation"

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True, max_length=64)
    title_zh: str = Field(max_length=200)
    title_en: str = Field(max_length=200)
    uscc: str | None = Field(default=None, max_length=18)
    created: datetime = Field(sa_type=UtcDateTime)


class Account(SQLModel, table=True):
    """A person or a robot of one organisation.

    Attributes:
        password: argon2 hash; None when it signs in by token only.
        roles: separated by spaces.
        disabled: since when it may do nothing.
    """

    __tablename__ = "account"

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True, max_length=64)
    organisation_id: int = Field(foreign_key="organisation.id", index=True)
    password: str | None = Field(default=None, max_length=200)
    roles: str = Field(max_length=100)
    created: datetime = Field(sa_type=UtcDateTime)
    disabled: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Token(SQLModel, table=True):
    """A scoped, expiring secret of one account; only its SHA-256 is kept.

    Attributes:
        id: what people name it by; no secret.
        label: what it is for; ``session`` tokens are sign-ins at the portal.
        scopes: separated by spaces.
        last_used: to the minute.
    """

    __tablename__ = "token"

    id: str = Field(primary_key=True, max_length=16)
    account_id: int = Field(foreign_key="account.id", index=True)
    hash: str = Field(unique=True, max_length=64)
    label: str = Field(max_length=100)
    scopes: str = Field(max_length=200)
    created: datetime = Field(sa_type=UtcDateTime)
    expires: datetime = Field(sa_type=UtcDateTime)
    revoked: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_used: datetime | None = Field(default=None, sa_type=UtcDateTime)
