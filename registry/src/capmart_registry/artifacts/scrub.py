"""Reading back everything that is stored: content that changed on the disk, and content that is missing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from sqlmodel import col, select

from capmart_core.errors import BlobNotFound
from capmart_core.ports.blobs import BlobStore
from capmart_registry.artifacts.models import RepositoryBlob, RepositoryManifest
from capmart_registry.center import Center

_READ = 1 << 20


@dataclass(frozen=True, slots=True)
class Rot:
    """What is wrong with one digest.

    Attributes:
        digest: as it is known.
        fault: ``altered`` (the bytes have another digest), ``unreadable`` (the store fails) or ``missing``.
        repositories: those that need it, in order; none when nothing refers to it.
    """

    digest: str
    fault: Literal["altered", "unreadable", "missing"]
    repositories: tuple[str, ...]


def scrub(center: Center) -> Iterator[Rot]:
    """Read every stored blob and look for every blob that a repository needs; nothing is changed.

    Safe beside a serving center: what is removed meanwhile is no fault.
    """
    for digest in center.blobs:
        fault = _fault(center.blobs, digest)
        if fault is not None:
            yield Rot(digest, fault, _users(center, digest))
    for digest in _needed(center):
        if digest not in center.blobs and (users := _users(center, digest)):
            yield Rot(digest, "missing", users)


def _fault(blobs: BlobStore, digest: str) -> Literal["altered", "unreadable"] | None:
    hasher = hashlib.sha256()
    try:
        with blobs.open(digest) as stream:
            while chunk := stream.read(_READ):
                hasher.update(chunk)
    except BlobNotFound:
        return None
    except OSError:
        return "unreadable"
    return None if f"sha256:{hasher.hexdigest()}" == digest else "altered"


def _needed(center: Center) -> list[str]:
    """Every digest that belongs to a repository, each once."""
    with center.db.read() as session:
        blobs = session.exec(select(RepositoryBlob.digest).distinct()).all()
        manifests = session.exec(select(RepositoryManifest.digest).distinct()).all()
    return sorted({*blobs, *manifests})


def _users(center: Center, digest: str) -> tuple[str, ...]:
    with center.db.read() as session:
        blobs = session.exec(select(RepositoryBlob.repository).where(col(RepositoryBlob.digest) == digest)).all()
        manifests = session.exec(
            select(RepositoryManifest.repository).where(col(RepositoryManifest.digest) == digest)
        ).all()
    return tuple(sorted({*blobs, *manifests}))
