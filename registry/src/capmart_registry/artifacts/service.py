"""Repositories: blobs, manifests, tags and referrers (OCI Distribution 1.1), over the blob store and its rows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from sqlmodel import Session, col, select

from capmart_core.canonical import parse_json
from capmart_core.errors import InvalidInput, ReleaseImmutable
from capmart_core.identifiers import check_digest, digest_of
from capmart_registry.artifacts.errors import OciError
from capmart_registry.artifacts.models import RepositoryBlob, RepositoryManifest, RepositoryTag
from capmart_registry.catalog.models import Release, ReleaseContent
from capmart_registry.center import Center

INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_MAX_PARTS = 10_000


def is_tag(reference: str) -> bool:
    """Whether a reference can be a tag."""
    return _TAG.fullmatch(reference) is not None


def has_blob(session: Session, repository: str, digest: str) -> bool:
    """Whether the blob belongs to the repository."""
    return session.get(RepositoryBlob, (repository, digest)) is not None


def find_manifest(session: Session, repository: str, reference: str) -> RepositoryManifest | None:
    """The manifest that a tag or a digest names, or None."""
    digest = reference
    if ":" not in reference:
        tag = session.get(RepositoryTag, (repository, reference))
        if tag is None:
            return None
        digest = tag.digest
    return session.get(RepositoryManifest, (repository, digest))


def add_blob(session: Session, repository: str, digest: str) -> None:
    """Say that a stored blob belongs to the repository."""
    session.merge(RepositoryBlob(repository=repository, digest=digest))


def add_manifest(session: Session, repository: str, data: bytes, media_type: str) -> RepositoryManifest:
    """Say that a stored manifest belongs to the repository; its parts are not looked for.

    Raises:
        OciError: it is no manifest.
    """
    document = read_manifest(data, media_type)
    config = document.get("config") if isinstance(document.get("config"), dict) else {}
    subject = document.get("subject")
    row = RepositoryManifest(
        repository=repository,
        digest=digest_of(data),
        media_type=media_type,
        size=len(data),
        artifact_type=str(document.get("artifactType") or (config or {}).get("mediaType") or "")[:300],
        subject=_digest(subject) if subject is not None else None,
        annotations=_annotations(document),
    )
    return session.merge(row)


def set_tag(session: Session, repository: str, tag: str, digest: str) -> None:
    """Let a tag name a manifest.

    Raises:
        ReleaseImmutable: the tag is the version of a logged release with other content.
    """
    logged = session.exec(select(Release).where(Release.component_id == repository, Release.version == tag)).first()
    if logged is not None and logged.digest != digest:
        raise ReleaseImmutable(release=f"{repository}@{tag}")
    set_release_tag(session, repository, tag, digest)


def set_release_tag(session: Session, repository: str, version: str, digest: str) -> None:
    """Let the tag of a logged release name its index, whatever it named before."""
    session.merge(RepositoryTag(repository=repository, tag=version, digest=digest))
    session.flush()


def put_manifest(
    center: Center, session: Session, repository: str, reference: str, data: bytes, media_type: str
) -> str:
    """Store a pushed manifest under a tag or its digest, and return the digest.

    Raises:
        OciError: it is no manifest, has another digest, or a part of it was not pushed before.
        ReleaseImmutable: see :func:`set_tag`.
    """
    digest = digest_of(data)
    if ":" in reference and reference != digest:
        raise OciError("DIGEST_INVALID", 400, f"the manifest has digest {digest}")
    document = read_manifest(data, media_type)
    for name, part in parts_of(document):
        if name == "manifests" and session.get(RepositoryManifest, (repository, part)) is None:
            raise OciError("MANIFEST_BLOB_UNKNOWN", 404, f"manifest {part} was not pushed before its index")
        if name != "manifests" and not has_blob(session, repository, part):
            raise OciError("MANIFEST_BLOB_UNKNOWN", 404, f"blob {part} was not pushed before its manifest")
    center.blobs.put([data], digest, max_bytes=len(data))
    add_manifest(session, repository, data, media_type)
    session.flush()
    if ":" not in reference:
        set_tag(session, repository, reference, digest)
    return digest


def delete_manifest(session: Session, repository: str, reference: str) -> None:
    """Remove a tag, or a manifest with its tags.

    Raises:
        OciError: there is none.
        ReleaseImmutable: a logged release rests on it.
    """
    found = find_manifest(session, repository, reference)
    if found is None:
        raise OciError("MANIFEST_UNKNOWN", 404, f"no manifest {reference}")
    if ":" not in reference:
        _check_no_release(session, repository, reference)
        session.delete(session.get_one(RepositoryTag, (repository, reference)))
        return
    _check_free(session, repository, found.digest)
    tags = select(RepositoryTag).where(RepositoryTag.repository == repository, RepositoryTag.digest == found.digest)
    for tag in session.exec(tags):
        session.delete(tag)
    session.delete(found)


def delete_blob(session: Session, repository: str, digest: str) -> None:
    """Let a blob belong to the repository no more.

    Raises:
        OciError: it does not belong to it.
        ReleaseImmutable: a logged release rests on it.
    """
    row = session.get(RepositoryBlob, (repository, digest))
    if row is None:
        raise OciError("BLOB_UNKNOWN", 404, f"no blob {digest}")
    _check_free(session, repository, digest)
    session.delete(row)


def referrers(session: Session, repository: str, digest: str, artifact_type: str | None) -> list[RepositoryManifest]:
    """The manifests whose subject is ``digest``, of one artifact type when given."""
    query = select(RepositoryManifest).where(
        RepositoryManifest.repository == repository, RepositoryManifest.subject == digest
    )
    if artifact_type:
        query = query.where(RepositoryManifest.artifact_type == artifact_type)
    return list(session.exec(query.order_by(col(RepositoryManifest.digest))))


def tags(session: Session, repository: str) -> list[RepositoryTag]:
    """Every tag, in lexical order: of code points, whatever the database's collation."""
    found = session.exec(select(RepositoryTag).where(RepositoryTag.repository == repository))
    return sorted(found, key=lambda row: row.tag)


def read_manifest(data: bytes, media_type: str) -> dict[str, Any]:
    """A manifest's JSON.

    Raises:
        OciError: it is not JSON, or of a type that is not kept here.
    """
    if media_type not in (*INDEX_TYPES, *MANIFEST_TYPES):
        raise OciError("MANIFEST_INVALID", 400, f"manifests of type {media_type[:100]} are not kept here")
    try:
        document = parse_json(data, what="manifest", max_bytes=len(data))
    except InvalidInput as error:
        raise OciError("MANIFEST_INVALID", 400, error.message("en")) from error
    if not isinstance(document, dict) or document.get("mediaType", media_type) != media_type:
        raise OciError("MANIFEST_INVALID", 400, "its mediaType is not that of the request")
    wanted = "manifests" if media_type in INDEX_TYPES else "layers"
    if not isinstance(document.get(wanted), list):
        raise OciError("MANIFEST_INVALID", 400, f"it has no list of {wanted}")
    return document


def parts_of(document: dict[str, Any]) -> Iterable[tuple[str, str]]:
    """The digests that a manifest names, each with the member that names it.

    Raises:
        OciError: a descriptor is malformed, or there are too many.
    """
    found: list[tuple[str, str]] = []
    if document.get("config") is not None:
        found.append(("config", _digest(document["config"])))
    for member in ("layers", "manifests"):
        found.extend((member, _digest(entry)) for entry in document.get(member) or () if not _foreign(entry))
    if len(found) > _MAX_PARTS:
        raise OciError("MANIFEST_INVALID", 400, f"it names more than {_MAX_PARTS} parts")
    return found


def _foreign(entry: object) -> bool:
    """Layers that their publisher forbids to copy lie elsewhere (OCI image specification, non-distributable layers)."""
    return isinstance(entry, dict) and bool(entry.get("urls"))


def _digest(entry: object) -> str:
    try:
        return check_digest(str(entry["digest"]))  # type: ignore[index]
    except (InvalidInput, TypeError, KeyError) as error:
        raise OciError("MANIFEST_INVALID", 400, "a descriptor has no sha256 digest") from error


def _annotations(document: dict[str, Any]) -> dict[str, str]:
    given = document.get("annotations")
    if given is None:
        return {}
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        raise OciError("MANIFEST_INVALID", 400, "annotations are texts by name")
    return given


def _check_no_release(session: Session, repository: str, tag: str) -> None:
    """Refuse to touch the tag of a logged release."""
    logged = select(Release).where(Release.component_id == repository, Release.version == tag)
    if session.exec(logged).first() is not None:
        raise ReleaseImmutable(release=f"{repository}@{tag}")


def _check_free(session: Session, repository: str, digest: str) -> None:
    held = session.exec(
        select(Release)
        .join(ReleaseContent, col(ReleaseContent.release_id) == col(Release.id))
        .where(Release.component_id == repository, ReleaseContent.digest == digest)
    ).first()
    if held is not None:
        raise ReleaseImmutable(release=f"{repository}@{held.version}")
