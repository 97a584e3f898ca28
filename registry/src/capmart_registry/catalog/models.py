"""Tables of the catalog. Every row follows from log entries; nothing here is a truth of its own.

``Component`` and ``Release`` are what people look for. ``LedgerNamespace``, ``LedgerKey`` and ``LedgerRelease`` are
what the rules in :mod:`capmart_core.ledger` need to judge the next entry of any log.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index, LargeBinary, String, UniqueConstraint
from sqlmodel import Field, SQLModel

from capmart_registry.db import UtcDateTime

# Compared byte by byte on every database, as the keys of :func:`capmart_registry.catalog.versions.sort_key` need it.
_SORT_KEY = String(500).with_variant(String(500, collation="C"), "postgresql")


class Component(SQLModel, table=True):
    """One component as the catalog shows it: what its best release says of itself.

    Attributes:
        id: ``namespace/name``.
        home: origin of the log that owns the namespace.
        latest: version of the release that stands for the component: the highest one in the best state there is.
        state: of that release.
        listed_at: when that release was listed.
        revision: the catalog's clock when this row last changed; what followers of the catalog page by.
    """

    __tablename__ = "component"

    id: str = Field(primary_key=True, max_length=129)
    namespace: str = Field(max_length=64, index=True)
    home: str = Field(max_length=300, index=True)
    kind: str = Field(max_length=32)
    latest: str | None = Field(default=None, max_length=128)
    state: str = Field(max_length=16)
    title_zh: str = Field(default="", max_length=20_000)
    title_en: str = Field(default="", max_length=20_000)
    summary_zh: str = Field(default="", max_length=20_000)
    summary_en: str = Field(default="", max_length=20_000)
    provider_zh: str = Field(default="", max_length=20_000)
    provider_en: str = Field(default="", max_length=20_000)
    delivery: str = Field(default="", max_length=16)
    taxonomy: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    listed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revision: int = Field(index=True)


class Release(SQLModel, table=True):
    """One immutable version, exactly as its publisher's statement in ``home``'s log names it.

    Attributes:
        sort_key: orders the versions of one component by semver.
        digest: of the package's index.
        config: digest of the manifest.
        state: what follows from the publisher's statements and from the acts of every center followed here.
        keyid: of the key that signed the publication.
        wanted: whether the filters of the upstream it comes from let it into this catalog.
        available: whether its content lies in this center's store.
        report: digest of the signed review report.
    """

    __tablename__ = "release"
    __table_args__ = (
        UniqueConstraint("component_id", "version"),
        Index("ix_release_home_log_index", "home", "log_index"),
    )

    id: int | None = Field(default=None, primary_key=True)
    component_id: str = Field(foreign_key="component.id", max_length=129, index=True)
    version: str = Field(max_length=128)
    sort_key: str = Field(sa_column=Column(_SORT_KEY, nullable=False))
    home: str = Field(max_length=300)
    digest: str = Field(max_length=71, index=True)
    config: str = Field(max_length=71, index=True)
    kind: str = Field(max_length=32)
    industries: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    scenarios: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    state: str = Field(max_length=16)
    reason_zh: str | None = Field(default=None, max_length=20_000)
    reason_en: str | None = Field(default=None, max_length=20_000)
    replacement: str | None = Field(default=None, max_length=129)
    deadline: datetime | None = Field(default=None, sa_type=UtcDateTime)
    keyid: str = Field(max_length=64)
    log_index: int
    listed_at: datetime = Field(sa_type=UtcDateTime)
    report: str | None = Field(default=None, max_length=71)
    available: bool = Field(default=False)
    wanted: bool = Field(default=True)


class ReleaseContent(SQLModel, table=True):
    """A digest that belongs to a release (index, manifest, config or layer); what may be served follows from it."""

    __tablename__ = "release_content"

    release_id: int = Field(primary_key=True, foreign_key="release.id")
    digest: str = Field(primary_key=True, max_length=71, index=True)


class ManifestBody(SQLModel, table=True):
    """A manifest's canonical JSON, by digest."""

    __tablename__ = "manifest_body"

    digest: str = Field(primary_key=True, max_length=71)
    data: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class LedgerNamespace(SQLModel, table=True):
    """Whose a namespace is, and which log is its home."""

    __tablename__ = "ledger_namespace"

    namespace: str = Field(primary_key=True, max_length=64)
    home: str = Field(max_length=300, index=True)
    organisation: str = Field(max_length=200)
    log_index: int


class LedgerKey(SQLModel, table=True):
    """A publisher key of a namespace.

    Attributes:
        added_index: of the entry that granted it, in the namespace's home log.
        revoked_from: entries from this index on that it signed count no more; None while it is good.
    """

    __tablename__ = "ledger_key"

    namespace: str = Field(primary_key=True, max_length=64)
    keyid: str = Field(primary_key=True, max_length=64)
    key: str = Field(max_length=500)
    added_index: int
    revoked_from: int | None = Field(default=None, sa_type=BigInteger)  # a publisher's word, checked against no log


class LedgerRelease(SQLModel, table=True):
    """All that the logs say of one release, whole, as :mod:`capmart_core.ledger` keeps it.

    It may be there before the release itself, when only another center's act about it has been seen.
    """

    __tablename__ = "ledger_release"

    component_id: str = Field(primary_key=True, max_length=129)
    version: str = Field(primary_key=True, max_length=128)
    namespace: str = Field(max_length=64, index=True)
    fact: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class CatalogClock(SQLModel, table=True):
    """One row that counts changes of the catalog; updating it also orders concurrent writers."""

    __tablename__ = "catalog_clock"

    id: int = Field(primary_key=True, default=1)
    revision: int
