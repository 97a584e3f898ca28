"""Tables of the repositories: which content belongs to which, and under which tags."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Column
from sqlmodel import Field, SQLModel


class RepositoryBlob(SQLModel, table=True):
    """A blob that was pushed, mounted or mirrored into a repository (``namespace/name``)."""

    __tablename__ = "repository_blob"

    repository: str = Field(primary_key=True, max_length=129)
    digest: str = Field(primary_key=True, max_length=71)


class RepositoryManifest(SQLModel, table=True):
    """A manifest or index of a repository; its bytes are a blob of the store.

    Attributes:
        artifact_type: as the referrers of a subject are filtered: the manifest's own, else its config's media type.
        subject: digest of the manifest that it refers to (OCI 1.1).
        annotations: shown in lists of referrers.
    """

    __tablename__ = "repository_manifest"

    repository: str = Field(primary_key=True, max_length=129)
    digest: str = Field(primary_key=True, max_length=71)
    media_type: str = Field(max_length=200)
    size: int
    artifact_type: str = Field(default="", max_length=300)
    subject: str | None = Field(default=None, max_length=71, index=True)
    annotations: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))


class RepositoryTag(SQLModel, table=True):
    """A name for a manifest. Tags of logged releases never move."""

    __tablename__ = "repository_tag"

    repository: str = Field(primary_key=True, max_length=129)
    tag: str = Field(primary_key=True, max_length=128)
    digest: str = Field(max_length=71)
