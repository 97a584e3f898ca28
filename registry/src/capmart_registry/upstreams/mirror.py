"""Mirroring: the content of followed releases, fetched by digest, verified, and served from here like our own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from datetime import timedelta

from sqlmodel import Session, col, or_, select

from capmart_core.errors import CapmartError, DigestMismatch, TooLarge
from capmart_core.identifiers import ComponentId, digest_of
from capmart_core.package import MAX_DOCUMENT_BYTES, Descriptor, PackageLayout, describe_layout
from capmart_core.package import media_types as types
from capmart_core.ports.blobs import BlobStore
from capmart_core.times import now_utc
from capmart_registry.artifacts import service as artifacts
from capmart_registry.catalog.models import ManifestBody, Release
from capmart_registry.catalog.service import HIDDEN_STATES, set_content
from capmart_registry.center import Center
from capmart_registry.upstreams.models import MirrorProblem, Upstream
from capmart_sdk.client import CenterClient
from capmart_sdk.client.oci import Repository

_log = logging.getLogger("capmart.upstreams")

MAX_BLOB_BYTES = 16 << 30
MAX_BACKOFF = timedelta(hours=1)


def missing(session: Session, origin: str, *, due_only: bool = True, limit: int = 100) -> list[Release]:
    """Releases of ``origin`` that this catalog shows and whose content is not here.

    Args:
        session: to read with.
        origin: of the log that they belong to.
        due_only: leave out those that failed a moment ago.
        limit: the most in the answer.
    """
    found = (
        select(Release)
        .join(ManifestBody, col(ManifestBody.digest) == col(Release.config))
        .outerjoin(MirrorProblem, col(MirrorProblem.release_id) == col(Release.id))
        .where(
            Release.home == origin,
            Release.wanted,
            col(Release.available).is_(False),
            col(Release.state).not_in(HIDDEN_STATES),
        )
        .order_by(col(Release.log_index))
        .limit(limit)
    )
    if due_only:
        found = found.where(or_(col(MirrorProblem.due).is_(None), col(MirrorProblem.due) <= now_utc()))
    return list(session.exec(found))


def mirror_missing(center: Center, upstream: Upstream, client: CenterClient, stop: threading.Event) -> int:
    """Fetch what is missing, one release after the other, and return how many became complete.

    What was fetched before a kill or an error stays and is not fetched again. A release that fails is tried again
    later and holds up no other.
    """
    done = 0
    while not stop.is_set():
        with center.db.read() as session:
            releases = missing(session, upstream.origin)
        if not releases:
            break
        for release in releases:
            if stop.is_set():
                break
            try:
                mirror_release(center, client.repository(ComponentId.parse(release.component_id)), release)
                done += 1
            except CapmartError as error:
                _log.warning("mirror %s@%s: %s", release.component_id, release.version, error)
                _failed(center, release, error)
    return done


def mirror_release(center: Center, source: Repository, release: Release) -> None:
    """Fetch one release's content from ``source``; when all of it is here, it becomes available.

    Raises:
        DigestMismatch: what came is something else.
        InvalidPackage: it is no package, or not the one that the manifest describes.
        CapmartError: the source does not have it or does not answer.
    """
    what = f"{release.component_id}@{release.version}"
    index = source.manifest(release.digest)
    layout = describe_layout(index, lambda entry: _document(center.blobs, source, entry), what=what)
    if layout.config.digest != release.config:
        raise DigestMismatch(what=f"manifest of {what}", expected=release.config, actual=layout.config.digest)
    for blob in layout.blobs():
        if blob.digest not in center.blobs:
            _fetch(center.blobs, source, blob)
    for digest, data in layout.documents.items():
        center.blobs.put([data], digest, max_bytes=len(data))
    with center.db.write() as session:
        row = session.get_one(Release, release.id)
        for blob in layout.blobs():
            artifacts.add_blob(session, row.component_id, blob.digest)
        for manifest, media_type in _manifests(layout):
            artifacts.add_manifest(session, row.component_id, layout.documents[manifest], media_type)
        artifacts.set_release_tag(session, row.component_id, row.version, row.digest)
        set_content(session, row, [layout.digest, *(part.digest for part in (*layout.manifests(), *layout.blobs()))])
        problem = session.get(MirrorProblem, row.id)
        if problem is not None:
            session.delete(problem)
    _log.info("mirrored %s", what)


def _manifests(layout: PackageLayout) -> Iterator[tuple[str, str]]:
    """Digest and media type of every manifest, the index last."""
    for manifest in layout.manifests():
        yield manifest.digest, manifest.media_type
    yield layout.digest, types.OCI_INDEX


def _document(blobs: BlobStore, source: Repository, entry: Descriptor) -> bytes:
    """A small document, from the store where it was fetched before."""
    if entry.digest in blobs:
        with blobs.open(entry.digest) as stream:
            return stream.read(MAX_DOCUMENT_BYTES + 1)
    if entry.media_type in {types.OCI_MANIFEST, types.OCI_INDEX, types.DOCKER_MANIFEST}:
        return source.manifest(entry.digest)
    if entry.size > MAX_DOCUMENT_BYTES:
        raise TooLarge(what=entry.digest, limit=MAX_DOCUMENT_BYTES)
    data = b"".join(_bounded(source.blob(entry.digest), entry.size))
    if digest_of(data) != entry.digest:
        raise DigestMismatch(what=entry.media_type, expected=entry.digest, actual=digest_of(data))
    return data


def _fetch(blobs: BlobStore, source: Repository, blob: Descriptor) -> None:
    if blob.size > MAX_BLOB_BYTES:
        raise TooLarge(what=blob.digest, limit=MAX_BLOB_BYTES)
    blobs.put(source.blob(blob.digest), blob.digest, max_bytes=blob.size)


def _bounded(chunks: Iterator[bytes], limit: int) -> Iterator[bytes]:
    left = limit
    for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            raise TooLarge(what="the answer", limit=limit)
        yield chunk


def _failed(center: Center, release: Release, error: CapmartError) -> None:
    assert release.id is not None  # noqa: S101 - rows that were read have one
    with center.db.write() as session:
        row = session.get(MirrorProblem, release.id) or MirrorProblem(
            release_id=release.id, code=error.code, zh="", en="", due=now_utc()
        )
        row.code, row.zh, row.en = error.code, error.message("zh")[:2000], error.message("en")[:2000]
        row.tries += 1
        row.due = now_utc() + min(MAX_BACKOFF, timedelta(seconds=2 ** min(row.tries, 12)))
        session.add(row)
