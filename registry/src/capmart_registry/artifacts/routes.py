"""``/v2/``: the OCI Distribution specification 1.1 over HTTP."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterator
from typing import Annotated, Any

from anyio import from_thread
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse

from capmart_core.errors import BlobNotFound, InvalidIdentifier, NotAuthenticated, NotFound, StateConflict, TooLarge
from capmart_core.identifiers import ComponentId, check_digest
from capmart_registry.accounts.principal import Principal
from capmart_registry.artifacts import access, service
from capmart_registry.artifacts.errors import OciError
from capmart_registry.center import Center
from capmart_registry.dependencies import CenterDep, SessionDep

router = APIRouter(prefix="/v2", tags=["artifacts"])

_CHUNK = 1 << 20
_INDEX = "application/vnd.oci.image.index.v1+json"
_RANGE = re.compile(r"(?:bytes )?(\d{1,18})-(\d{1,18})")


def _address(request: Request, center: Center) -> str:
    return center.settings.public_url or f"{request.url.scheme}://{request.url.netloc}"


def caller(request: Request, center: CenterDep) -> Principal | None:
    """Who asks; also prepares the challenge that a refusal carries (RFC 6750, Docker's token flow)."""
    path = request.url.path.removeprefix("/v2/").split("/")
    actions = "pull" if request.method in ("GET", "HEAD") else "pull,push"
    scope = f',scope="repository:{path[0]}/{path[1]}:{actions}"' if len(path) > 2 else ""
    realm = f"{_address(request, center)}/v2/token"
    request.state.challenge = f'Bearer realm="{realm}",service="{center.origin}"{scope}'
    return access.principal_of(center, request.headers.get("authorization"))


def repository(namespace: str, name: str) -> str:
    """The repository's name.

    Raises:
        OciError: no repository can be called so.
    """
    try:
        return str(ComponentId.parse(f"{namespace}/{name}"))
    except InvalidIdentifier as error:
        raise OciError("NAME_INVALID", 400, error.message("en")) from error


Caller = Annotated[Principal | None, Depends(caller)]
Repository = Annotated[str, Depends(repository)]
_REPO = "/{namespace}/{name}"


@router.get("/", response_model=None)
def ping(who: Caller, request: Request, center: CenterDep) -> Response:
    """Whether this is a registry; asks clients to sign in, be it as nobody."""
    if who is None and request.headers.get("authorization") is None:
        raise NotAuthenticated(center=center.origin)
    return JSONResponse({}, headers={"Docker-Distribution-API-Version": "registry/2.0"})


@router.get("/token")
def token(request: Request, center: CenterDep) -> dict[str, Any]:
    """A short-lived bearer for whoever signs in by Basic, or for nobody in particular."""
    request.state.challenge = f'Basic realm="{center.origin}"'
    who = access.principal_of(center, request.headers.get("authorization"))
    bearer = access.make_bearer(center, who)
    return {"token": bearer, "access_token": bearer, "expires_in": access.BEARER_LIFE_S}


def _refuse_unseen(request: Request, center: Center, error: OciError) -> None:
    """What is absent and what may not be seen have one answer; whoever said nothing of themselves may do so now."""
    if request.headers.get("authorization") is None:
        raise NotAuthenticated(center=center.origin) from error
    raise error


# Blobs


@router.api_route(_REPO + "/blobs/{digest}", methods=["GET", "HEAD"], response_model=None)
def get_blob(request: Request, digest: str, repo: Repository, who: Caller, center: CenterDep) -> Response:
    """A blob; ranges are served."""
    digest = _checked(digest)
    with center.db.read() as session:
        seen = service.has_blob(session, repo, digest) and access.may_read(session, who, repo, digest)
    if not seen:
        _refuse_unseen(request, center, OciError("BLOB_UNKNOWN", 404, f"no blob {digest}"))
    headers = {
        "Docker-Content-Digest": digest,
        "ETag": f'"{digest}"',
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=31536000, immutable",
    }
    kind = "application/octet-stream"
    path = center.blobs.local_path(digest)
    if path is not None:
        return FileResponse(path, media_type=kind, headers=headers)
    try:
        headers["Content-Length"] = str(center.blobs.size(digest))
    except BlobNotFound as error:
        raise OciError("BLOB_UNKNOWN", 404, f"no blob {digest}") from error
    if request.method == "HEAD":
        return Response(headers=headers, media_type=kind)
    return StreamingResponse(_stored(center, digest), media_type=kind, headers=headers)


def _stored(center: Center, digest: str) -> Iterator[bytes]:
    with center.blobs.open(digest) as stream:
        while chunk := stream.read(_CHUNK):
            yield chunk


@router.delete(_REPO + "/blobs/{digest}", status_code=202, response_model=None)
def delete_blob(digest: str, repo: Repository, who: Caller, center: CenterDep) -> Response:
    """Let a blob belong to the repository no more."""
    with center.db.write() as session:
        access.check_write(center, session, who, repo)
        service.delete_blob(session, repo, _checked(digest))
    return Response(status_code=202)


@router.post(_REPO + "/blobs/uploads/", response_model=None)
async def start_upload(
    request: Request,
    repo: Repository,
    who: Caller,
    center: CenterDep,
    digest: str | None = None,
    mount: str | None = None,
    source: Annotated[str | None, Query(alias="from", max_length=200)] = None,
) -> Response:
    """Begin an upload, or finish it at once: with the whole blob, or by mounting one from another repository."""
    await run_sync(_check_write, center, who, repo)
    if mount is not None and await run_sync(_mount, center, who, repo, _checked(mount), source):
        return _created(repo, mount)
    upload = await run_sync(center.blobs.start_upload)
    if digest is None:
        return _progress(center, repo, upload, 0, 202)
    await _append(request, center, upload, 0)
    return await run_sync(_finish, center, repo, upload, _checked(digest))


@router.get(_REPO + "/blobs/uploads/{name_of_upload}", response_model=None)
def upload_status(name_of_upload: str, repo: Repository, who: Caller, center: CenterDep) -> Response:
    """How much of an upload is here."""
    _check_write(center, who, repo)
    upload = _upload(center, repo, name_of_upload)
    return _progress(center, repo, upload, _size(center, upload), 204)


@router.patch(_REPO + "/blobs/uploads/{name_of_upload}", response_model=None)
async def append_upload(
    request: Request, name_of_upload: str, repo: Repository, who: Caller, center: CenterDep
) -> Response:
    """Append a chunk; with ``Content-Range`` it must begin where the upload ends."""
    await run_sync(_check_write, center, who, repo)
    upload = _upload(center, repo, name_of_upload)
    size = await run_sync(_size, center, upload)
    _check_range(request, center, repo, upload, size)
    size = await _append(request, center, upload, size)
    return _progress(center, repo, upload, size, 202)


@router.put(_REPO + "/blobs/uploads/{name_of_upload}", response_model=None)
async def finish_upload(
    request: Request, name_of_upload: str, digest: str, repo: Repository, who: Caller, center: CenterDep
) -> Response:
    """Append the last chunk, if any, and turn the upload into a blob."""
    await run_sync(_check_write, center, who, repo)
    checked = _checked(digest)
    upload = _upload(center, repo, name_of_upload)
    size = await run_sync(_size, center, upload)
    _check_range(request, center, repo, upload, size)
    await _append(request, center, upload, size)
    return await run_sync(_finish, center, repo, upload, checked)


@router.delete(_REPO + "/blobs/uploads/{name_of_upload}", status_code=204, response_model=None)
def cancel_upload(name_of_upload: str, repo: Repository, who: Caller, center: CenterDep) -> Response:
    """Drop an upload."""
    _check_write(center, who, repo)
    upload = _upload(center, repo, name_of_upload)
    _size(center, upload)
    center.blobs.cancel_upload(upload)
    return Response(status_code=204)


# Manifests


@router.api_route(_REPO + "/manifests/{reference}", methods=["GET", "HEAD"], response_model=None)
def get_manifest(request: Request, reference: str, repo: Repository, who: Caller, center: CenterDep) -> Response:
    """A manifest or index, by tag or digest."""
    with center.db.read() as session:
        found = service.find_manifest(session, repo, _reference(reference))
        seen = found is not None and access.may_read(session, who, repo, found.digest)
    if found is None or not seen:
        unknown = OciError("MANIFEST_UNKNOWN", 404, f"no manifest {reference}")
        _refuse_unseen(request, center, unknown)
        raise unknown
    headers = {"Docker-Content-Digest": found.digest, "ETag": f'"{found.digest}"', "Content-Length": str(found.size)}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers={"ETag": headers["ETag"]})
    if request.method == "HEAD":
        return Response(headers=headers, media_type=found.media_type)
    with center.blobs.open(found.digest) as stream:
        return Response(stream.read(), media_type=found.media_type, headers=headers)


@router.put(_REPO + "/manifests/{reference}", status_code=201, response_model=None)
async def put_manifest(request: Request, reference: str, repo: Repository, who: Caller, center: CenterDep) -> Response:
    """Push a manifest or index under a tag or its digest."""
    await run_sync(_check_write, center, who, repo)
    data = await _body(request, center.settings.max_manifest_bytes)
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    return await run_sync(_store_manifest, center, repo, _reference(reference), data, kind)


def _store_manifest(center: Center, repo: str, reference: str, data: bytes, kind: str) -> Response:
    with center.db.write() as session:
        digest = service.put_manifest(center, session, repo, reference, data, kind)
        row = service.find_manifest(session, repo, digest)
    headers = {"Location": f"/v2/{repo}/manifests/{digest}", "Docker-Content-Digest": digest}
    if row is not None and row.subject:
        headers["OCI-Subject"] = row.subject
    return Response(status_code=201, headers=headers)


@router.delete(_REPO + "/manifests/{reference}", status_code=202, response_model=None)
def delete_manifest(reference: str, repo: Repository, who: Caller, center: CenterDep) -> Response:
    """Remove a tag or a manifest; what a logged release rests on stays."""
    with center.db.write() as session:
        access.check_write(center, session, who, repo)
        service.delete_manifest(session, repo, _reference(reference))
    return Response(status_code=202)


@router.get(_REPO + "/tags/list")
def list_tags(
    request: Request,
    repo: Repository,
    who: Caller,
    center: CenterDep,
    session: SessionDep,
    n: Annotated[int, Query(ge=0, le=10_000)] = 1000,
    last: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """The tags that the caller may see, in lexical order, by pages."""
    found = [row.tag for row in service.tags(session, repo) if access.may_read(session, who, repo, row.digest)]
    if not found and not access.owns(session, who, repo):
        _refuse_unseen(request, center, OciError("NAME_UNKNOWN", 404, f"no repository {repo}"))
    rest = [tag for tag in found if tag > last]
    headers = {"Link": f'</v2/{repo}/tags/list?n={n}&last={rest[n - 1]}>; rel="next"'} if 0 < n < len(rest) else {}
    return JSONResponse({"name": repo, "tags": rest[:n]}, headers=headers)


@router.get(_REPO + "/referrers/{digest}")
def list_referrers(
    digest: str,
    repo: Repository,
    who: Caller,
    session: SessionDep,
    artifact_type: Annotated[str | None, Query(alias="artifactType", max_length=300)] = None,
) -> Response:
    """What refers to a manifest: signatures, reports, approvals."""
    found = service.referrers(session, repo, _checked(digest), artifact_type)
    seen = [row for row in found if access.may_read(session, who, repo, digest)]
    manifests = [
        {
            "mediaType": row.media_type,
            "digest": row.digest,
            "size": row.size,
            "artifactType": row.artifact_type,
            **({"annotations": row.annotations} if row.annotations else {}),
        }
        for row in seen
    ]
    headers = {"OCI-Filters-Applied": "artifactType"} if artifact_type else {}
    index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": manifests}
    return JSONResponse(index, media_type=_INDEX, headers=headers)


# Shared steps


def _check_write(center: Center, who: Principal | None, repo: str) -> None:
    with center.db.read() as session:
        access.check_write(center, session, who, repo)


def _mount(center: Center, who: Principal | None, repo: str, digest: str, source: str | None) -> bool:
    with center.db.write() as session:
        if source is None or not service.has_blob(session, source, digest):
            return False
        if not access.may_read(session, who, source, digest):
            return False
        service.add_blob(session, repo, digest)
    return True


async def _append(request: Request, center: Center, upload: str, offset: int) -> int:
    limit = center.settings.max_blob_bytes
    stream = request.stream()

    def append() -> int:
        return center.blobs.append_upload(upload, _received(stream), offset=offset, max_bytes=limit)

    try:
        return await run_sync(append)
    except StateConflict as error:
        raise OciError("BLOB_UPLOAD_INVALID", 416, "another request appends to this upload") from error


def _received(stream: AsyncGenerator[bytes, None]) -> Iterator[bytes]:
    """The request's body in a worker thread, chunk by chunk."""
    while True:
        try:
            chunk = from_thread.run(anext, stream)
        except StopAsyncIteration:
            return
        if chunk:
            yield chunk


def _finish(center: Center, repo: str, upload: str, digest: str) -> Response:
    center.blobs.finish_upload(upload, digest)
    with center.db.write() as session:
        service.add_blob(session, repo, digest)
    return _created(repo, digest)


def _created(repo: str, digest: str) -> Response:
    headers = {"Location": f"/v2/{repo}/blobs/{digest}", "Docker-Content-Digest": digest}
    return Response(status_code=201, headers=headers)


def _progress(center: Center, repo: str, upload: str, size: int, status: int) -> Response:
    return Response(status_code=status, headers=_progress_headers(center, repo, upload, size))


def _progress_headers(center: Center, repo: str, upload: str, size: int) -> dict[str, str]:
    name = access.upload_name(center, repo, upload)
    return {
        "Location": f"/v2/{repo}/blobs/uploads/{name}",
        "Range": f"0-{max(size - 1, 0)}",
        "Docker-Upload-UUID": name,
    }


def _upload(center: Center, repo: str, name: str) -> str:
    upload = access.upload_of(center, repo, name)
    if upload is None:
        raise OciError("BLOB_UPLOAD_UNKNOWN", 404, "no such upload")
    return upload


def _size(center: Center, upload: str) -> int:
    try:
        return center.blobs.upload_size(upload)
    except NotFound as error:
        raise OciError("BLOB_UPLOAD_UNKNOWN", 404, "no such upload") from error


def _check_range(request: Request, center: Center, repo: str, upload: str, size: int) -> None:
    given = request.headers.get("content-range")
    if given is None:
        return
    match = _RANGE.fullmatch(given.strip())
    if match is None or int(match[1]) != size or int(match[2]) < int(match[1]) - 1:
        reason = f"the upload has {size} bytes; the chunk must begin there"
        raise OciError("BLOB_UPLOAD_INVALID", 416, reason, _progress_headers(center, repo, upload, size))


async def _body(request: Request, limit: int) -> bytes:
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > limit:
            raise TooLarge(what="manifest", limit=limit)
    return bytes(data)


def _checked(digest: str) -> str:
    try:
        return check_digest(digest)
    except InvalidIdentifier as error:
        raise OciError("DIGEST_INVALID", 400, error.message("en")) from error


def _reference(reference: str) -> str:
    if ":" in reference:
        return _checked(reference)
    if not service.is_tag(reference):
        raise OciError("MANIFEST_INVALID", 400, f"{reference[:100]!r} is no tag")
    return reference
