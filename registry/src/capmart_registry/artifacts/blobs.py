"""Blobs under ``/v2/``: reading with ranges, uploads in one piece, in chunks and from another repository, deleting."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from typing import Annotated

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse, StreamingResponse
from starlette.requests import ClientDisconnect

from capmart_core.errors import BlobNotFound, NotFound, StateConflict, TooLarge
from capmart_registry.accounts.principal import Principal
from capmart_registry.artifacts import access, service
from capmart_registry.artifacts.asking import REPOSITORY, Caller, Repository, checked_digest, refuse_unseen
from capmart_registry.artifacts.errors import OciError
from capmart_registry.center import Center
from capmart_registry.dependencies import CenterDep

router = APIRouter()

PIECE = 4 << 20
"""How much of an upload is collected before a thread writes it, in bytes."""

WRITERS = 16
"""Most pieces that one process writes at once; uploads beyond wait without holding a thread."""

_BINARY = "application/octet-stream"
_READ = 1 << 20
_CONTENT_RANGE = re.compile(r"(?:bytes )?(\d{1,18})-(\d{1,18})")
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_UPLOADS = f"{REPOSITORY}/blobs/uploads"
_BLOB = f"{REPOSITORY}/blobs/{{digest}}"


@router.head(_BLOB, response_model=None)
@router.get(_BLOB, response_model=None)
def get_blob(request: Request, digest: str, repo: Repository, who: Caller, center: CenterDep) -> Response:
    """A blob; ranges are served."""
    digest = checked_digest(digest)
    unknown = OciError("BLOB_UNKNOWN", 404, f"no blob {digest}")
    with center.db.read() as session:
        seen = service.has_blob(session, repo, digest) and access.may_read(session, who, repo, digest)
    if not seen:
        refuse_unseen(request, center, unknown)
    headers = {
        "Docker-Content-Digest": digest,
        "ETag": f'"{digest}"',
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=31536000, immutable",
    }
    path = center.blobs.local_path(digest)
    if path is not None:
        return FileResponse(path, media_type=_BINARY, headers=headers)
    try:
        return _stored(request, center, digest, headers)
    except BlobNotFound as error:
        raise unknown from error


def _stored(request: Request, center: Center, digest: str, headers: dict[str, str]) -> Response:
    """A blob of a store that has no local files."""
    size = center.blobs.size(digest)
    asked = _RANGE.fullmatch(request.headers.get("range", "").strip())
    start, end, status = 0, size, 200
    if asked is not None and (asked[1] or asked[2]):
        start = int(asked[1]) if asked[1] else max(size - int(asked[2]), 0)
        end = min(int(asked[2]) + 1, size) if asked[1] and asked[2] else size
        if start >= end:
            raise OciError("SIZE_INVALID", 416, f"the blob has {size} bytes", {"Content-Range": f"bytes */{size}"})
        status = 206
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    headers["Content-Length"] = str(end - start)
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=_BINARY)
    return StreamingResponse(_read(center, digest, start, end), status, headers, _BINARY)


def _read(center: Center, digest: str, start: int, end: int) -> Iterator[bytes]:
    with center.blobs.open(digest, start) as stream:
        while chunk := stream.read(min(_READ, end - start)):
            start += len(chunk)
            yield chunk


@router.delete(_BLOB, status_code=202, response_model=None)
def delete_blob(digest: str, repo: Repository, who: Caller, center: CenterDep) -> Response:
    """Let a blob belong to the repository no more."""
    with center.db.write() as session:
        access.check_write(center, session, who, repo)
        service.delete_blob(session, repo, checked_digest(digest))
    return Response(status_code=202)


@router.post(f"{_UPLOADS}/", status_code=202, response_model=None)
async def start_upload(
    request: Request,
    repo: Repository,
    who: Caller,
    center: CenterDep,
    digest: str | None = None,
    mount: str | None = None,
    source: Annotated[str | None, Query(alias="from")] = None,
) -> Response:
    """Begin an upload, or finish it at once: with the whole blob, or by mounting one from another repository."""
    await run_sync(_check_write, center, who, repo)
    if mount is not None and await run_sync(_mount, center, who, repo, checked_digest(mount), source):
        return _created(repo, mount)
    wanted = None if digest is None else checked_digest(digest)
    upload = await run_sync(center.blobs.start_upload)
    if wanted is None:
        return _progress(center, repo, upload, 0, 202)
    await _append(request, center, upload, 0)
    return await run_sync(_finish, center, repo, upload, wanted)


@router.get(f"{_UPLOADS}/{{upload_name}}", status_code=204, response_model=None)
def upload_status(upload_name: str, repo: Repository, who: Caller, center: CenterDep) -> Response:
    """How far an upload is."""
    _check_write(center, who, repo)
    upload = _upload(center, repo, upload_name)
    return _progress(center, repo, upload, _size(center, upload), 204)


@router.patch(f"{_UPLOADS}/{{upload_name}}", status_code=202, response_model=None)
async def append_upload(
    request: Request, upload_name: str, repo: Repository, who: Caller, center: CenterDep
) -> Response:
    """Append a chunk; with ``Content-Range`` it must begin where the upload ends."""
    await run_sync(_check_write, center, who, repo)
    upload = _upload(center, repo, upload_name)
    size = await run_sync(_size, center, upload)
    _check_range(request, center, repo, upload, size)
    size = await _append(request, center, upload, size)
    return _progress(center, repo, upload, size, 202)


@router.put(f"{_UPLOADS}/{{upload_name}}", status_code=201, response_model=None)
async def finish_upload(
    request: Request, upload_name: str, repo: Repository, who: Caller, center: CenterDep, digest: str = ""
) -> Response:
    """Append the last chunk, if any, and turn the upload into a blob."""
    await run_sync(_check_write, center, who, repo)
    wanted = checked_digest(digest)
    upload = _upload(center, repo, upload_name)
    size = await run_sync(_size, center, upload)
    _check_range(request, center, repo, upload, size)
    await _append(request, center, upload, size)
    return await run_sync(_finish, center, repo, upload, wanted)


@router.delete(f"{_UPLOADS}/{{upload_name}}", status_code=204, response_model=None)
def cancel_upload(upload_name: str, repo: Repository, who: Caller, center: CenterDep) -> Response:
    """Drop an upload."""
    _check_write(center, who, repo)
    upload = _upload(center, repo, upload_name)
    _size(center, upload)
    center.blobs.cancel_upload(upload)
    return Response(status_code=204)


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
    """Write the request's body to the upload, piece by piece.

    While the client is slow nothing is held: no thread, no lock on the upload. So an upload whose connection hangs is
    resumed from another at once, and what was written stays when the connection breaks.
    """
    writers = _writers(request)
    limit = center.settings.max_blob_bytes
    length = request.headers.get("content-length", "")
    if length.isdigit() and offset + int(length) > limit:
        raise TooLarge(what="blob", limit=limit)
    try:
        async for piece in _pieces(request):
            offset = await run_sync(_write_piece, center, upload, piece, offset, limit, limiter=writers)
    except StateConflict as error:
        raise OciError("BLOB_UPLOAD_INVALID", 416, "another request appends to this upload") from error
    except NotFound as error:
        raise OciError("BLOB_UPLOAD_UNKNOWN", 404, "another request finished or dropped this upload") from error
    return offset


def _write_piece(center: Center, upload: str, piece: bytes, offset: int, limit: int) -> int:
    return center.blobs.append_upload(upload, [piece], offset=offset, max_bytes=limit)


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    """The request's body in pieces of about :data:`PIECE` bytes; what came before a connection broke comes too."""
    piece = bytearray()
    try:
        async for chunk in request.stream():
            piece += chunk
            if len(piece) >= PIECE:
                yield bytes(piece)
                piece.clear()
    except ClientDisconnect:
        if piece:
            yield bytes(piece)
        raise
    if piece:
        yield bytes(piece)


def _writers(request: Request) -> CapacityLimiter:
    state = request.app.state
    if not hasattr(state, "blob_writers"):
        state.blob_writers = CapacityLimiter(WRITERS)
    limiter: CapacityLimiter = state.blob_writers
    return limiter


def _finish(center: Center, repo: str, upload: str, digest: str) -> Response:
    try:
        center.blobs.finish_upload(upload, digest)
    except NotFound as error:
        raise OciError("BLOB_UPLOAD_UNKNOWN", 404, "another request finished or dropped this upload") from error
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
    match = _CONTENT_RANGE.fullmatch(given.strip())
    if match is None or int(match[1]) != size or int(match[2]) < int(match[1]) - 1:
        reason = f"the upload has {size} bytes; the chunk must begin there"
        raise OciError("BLOB_UPLOAD_INVALID", 416, reason, _progress_headers(center, repo, upload, size))
