"""Tables of upstreams: who is followed, how far, and what was refused."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, BigInteger, Column, Index, LargeBinary
from sqlmodel import Field, SQLModel

from capmart_registry.db import UtcDateTime


class Upstream(SQLModel, table=True):
    """A center whose log is followed here.

    Attributes:
        origin: of its log.
        url: address of the center that serves it: its home, or a relay.
        log_path: path of the log below that address.
        key: the log's key, compared by fingerprint when it was added.
        policy: ``metadata`` for the catalog only, ``full`` for the content too.
        edition: changes whenever an operator changes the upstream.
        kinds: only releases of these kinds; empty for all. Likewise the others.
        last_ok: when it was last followed without an error.
        last_error: code of the last error; None since it was last followed without one.
    """

    __tablename__ = "upstream"

    origin: str = Field(primary_key=True, max_length=300)
    url: str = Field(max_length=2000)
    log_path: str = Field(max_length=700)
    key: str = Field(max_length=500)
    policy: str = Field(max_length=16)
    edition: str = Field(max_length=16)
    kinds: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    industries: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    scenarios: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    namespaces: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    added: datetime = Field(sa_type=UtcDateTime)
    last_ok: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_error: str | None = Field(default=None, max_length=64)
    last_error_zh: str | None = Field(default=None, max_length=2000)
    last_error_en: str | None = Field(default=None, max_length=2000)
    last_error_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class FollowedLog(SQLModel, table=True):
    """How far a log was followed and verified.

    Attributes:
        size: entries that the newest verified checkpoint covers.
        cursor: entries applied.
        hashes: the frontier over the applied entries, 32 bytes each.
    """

    __tablename__ = "followed_log"

    origin: str = Field(primary_key=True, max_length=300)
    key: str = Field(max_length=500)
    checkpoint: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    size: int = Field(sa_type=BigInteger)  # another's word until all entries are here
    root: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    cursor: int
    hashes: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class RefusedEntry(SQLModel, table=True):
    """A logged entry that does not count, and why.

    Attributes:
        code: stable code of the error.
        component: what it is about, as far as that can be read.
    """

    __tablename__ = "refused_entry"
    __table_args__ = (Index("ix_refused_entry_component_version", "component", "version"),)

    origin: str = Field(primary_key=True, max_length=300)
    log_index: int = Field(primary_key=True)
    component: str | None = Field(default=None, max_length=129)
    version: str | None = Field(default=None, max_length=128)
    code: str = Field(max_length=64)
    zh: str = Field(max_length=20_000)
    en: str = Field(max_length=20_000)


class MirrorProblem(SQLModel, table=True):
    """A release whose content could not be mirrored yet; gone once it could.

    Attributes:
        due: not tried before.
        tries: how often it was tried.
    """

    __tablename__ = "mirror_problem"

    release_id: int = Field(primary_key=True, foreign_key="release.id")
    code: str = Field(max_length=64)
    zh: str = Field(max_length=2000)
    en: str = Field(max_length=2000)
    due: datetime = Field(sa_type=UtcDateTime)
    tries: int = Field(default=0)
