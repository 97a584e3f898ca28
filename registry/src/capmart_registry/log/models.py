"""Tables of the logs: the center's own and relayed ones side by side, told apart by origin."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Field, SQLModel

from capmart_registry.db import UtcDateTime


class LogOrigin(SQLModel, table=True):
    """A log that is kept here.

    Attributes:
        key: its public key, spelled ``ed25519:`` and base64.
        own: whether this center writes it; true for exactly one row.
    """

    __tablename__ = "log_origin"

    origin: str = Field(primary_key=True, max_length=300)
    key: str = Field(max_length=500)
    own: bool = Field(default=False)
    added: datetime = Field(sa_type=UtcDateTime)


class LogRow(SQLModel, table=True):
    """One entry. For the own log these rows are the truth; hashes and checkpoint are derived from them.

    Attributes:
        leaf: the entry's canonical JSON, the bytes that are hashed.
        config: digest of the manifest whose release this entry publishes; None for other entries.
        accepted: when the origin accepted it.
    """

    __tablename__ = "log_row"

    origin: str = Field(primary_key=True, max_length=300, foreign_key="log_origin.origin")
    index: int = Field(primary_key=True)
    leaf: bytes
    config: str | None = Field(default=None, max_length=71)
    accepted: datetime = Field(sa_type=UtcDateTime)


class HashRow(SQLModel, table=True):
    """The hash of one perfect subtree: ``2 ** level`` leaves from leaf ``index * 2 ** level`` on."""

    __tablename__ = "log_hash"

    origin: str = Field(primary_key=True, max_length=300, foreign_key="log_origin.origin")
    level: int = Field(primary_key=True)
    index: int = Field(primary_key=True)
    hash: bytes


class CheckpointRow(SQLModel, table=True):
    """The newest published checkpoint of a log.

    Attributes:
        note: the signed note, as served.
        root: Merkle root over the first ``size`` entries.
        at: the time in the note's co-signature.
    """

    __tablename__ = "log_checkpoint"

    origin: str = Field(primary_key=True, max_length=300, foreign_key="log_origin.origin")
    size: int
    root: bytes
    note: bytes
    at: datetime = Field(sa_type=UtcDateTime)
