"""``/log/``: the center's own log, and below ``/log/origins/`` the logs that it relays, by the same routes."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

import zstandard
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Query, Request, Response

from capmart_core.errors import NotFound
from capmart_registry import __version__
from capmart_registry.dependencies import CenterDep, center_of
from capmart_registry.log import service
from capmart_registry.log.reader import LogReader

router = APIRouter(tags=["log"])

MAX_ENTRIES = 1000
MAX_BODIES = 200
_BINARY = "application/octet-stream"
_IMMUTABLE = "public, max-age=31536000, immutable"
_BRIEF = "public, max-age=0, must-revalidate"


def own_log(center: CenterDep) -> LogReader:
    """The center's own log."""
    return service.readers(center)[center.origin]


def relayed_log(origin: str, center: CenterDep) -> LogReader:
    """The log of ``origin`` that is kept here.

    Raises:
        NotFound: it is not.
    """
    found = service.readers(center).get(origin)
    if found is None:
        raise NotFound(what=f"log of {origin[:300]}")
    return found


Own = Annotated[LogReader, Depends(own_log)]
Relayed = Annotated[LogReader, Depends(relayed_log)]
Start = Annotated[int, Query(ge=0, le=2**53)]


@router.get("/.well-known/capmart.json")
def about(center: CenterDep) -> dict[str, Any]:
    """What this center is: origin, title, log key and the logs that it relays."""
    logs = service.readers(center)
    own = logs.pop(center.origin)
    return {
        "origin": center.origin,
        "title": center.settings.title.model_dump(),
        "log_key": str(own.verifier_key),
        "fingerprint": own.key.fingerprint,
        "version": __version__,
        "log": "/log",
        "upstreams": [_relay(reader) for reader in logs.values()],
    }


@router.get("/log/origins")
def origins(center: CenterDep) -> list[dict[str, Any]]:
    """The logs that are relayed here."""
    return [_relay(reader) for reader in service.readers(center).values() if not reader.own]


def _relay(reader: LogReader) -> dict[str, Any]:
    return {
        "origin": reader.origin,
        "log_key": str(reader.verifier_key),
        "fingerprint": reader.key.fingerprint,
        "log": f"/log/origins/{reader.origin}",
    }


@router.get("/log/checkpoint")
def checkpoint(request: Request, center: CenterDep) -> Response:
    """The signed checkpoint (C2SP tlog-checkpoint); signed anew when it grows old."""
    return _note(request, service.publish_checkpoint(center))


@router.get("/log/tile/{path:path}")
def tile(path: str, reader: Own) -> Response:
    """A hash tile or an entry bundle (C2SP tlog-tiles)."""
    return Response(reader.tile(f"tile/{path}"), media_type=_BINARY, headers={"Cache-Control": _IMMUTABLE})


@router.get("/log/entries")
async def entries(request: Request, start: Start, limit: int = MAX_ENTRIES, wait: float = 0) -> Response:
    """The exact tail; waits up to ``wait`` seconds for an entry beyond ``start``."""
    reader = await run_sync(own_log, center_of(request))
    return await _entries(request, reader, start, limit, wait)


@router.get("/log/bodies")
def bodies(request: Request, reader: Own, start: Start, limit: int = MAX_BODIES) -> Response:
    """The manifests that those entries publish."""
    return _stream(request, reader.bodies(start, min(max(limit, 1), MAX_BODIES)))


# Origins may contain slashes, so each route below takes all but its own last part.


@router.get("/log/origins/{origin:path}/checkpoint")
def relayed_checkpoint(request: Request, reader: Relayed) -> Response:
    """The checkpoint of a relayed log, as its origin signed it."""
    return _note(request, reader.checkpoint().note)


@router.get("/log/origins/{origin:path}/tile/{path:path}")
def relayed_tile(path: str, reader: Relayed) -> Response:
    """A tile of a relayed log."""
    return tile(path, reader)


@router.get("/log/origins/{origin:path}/entries")
async def relayed_entries(
    request: Request, origin: str, start: Start, limit: int = MAX_ENTRIES, wait: float = 0
) -> Response:
    """The tail of a relayed log."""
    reader = await run_sync(relayed_log, origin, center_of(request))
    return await _entries(request, reader, start, limit, wait)


@router.get("/log/origins/{origin:path}/bodies")
def relayed_bodies(request: Request, reader: Relayed, start: Start, limit: int = MAX_BODIES) -> Response:
    """The manifests that those entries of a relayed log publish."""
    return bodies(request, reader, start, limit)


async def _entries(request: Request, reader: LogReader, start: int, limit: int, wait: float) -> Response:
    limit = min(max(limit, 1), MAX_ENTRIES)
    data = await run_sync(reader.entries, start, limit)
    longest = center_of(request).settings.wait_max_s
    if not data and wait > 0:
        await request.app.state.tail.beyond(reader.origin, start, min(wait, longest))
        data = await run_sync(reader.entries, start, limit)
    return await run_sync(_stream, request, data)


def _note(request: Request, note: bytes) -> Response:
    etag = f'"{hashlib.sha256(note).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": _BRIEF}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(note, media_type="text/plain; charset=utf-8", headers=headers)


def _stream(request: Request, data: bytes) -> Response:
    headers = {"Cache-Control": "no-store", "Vary": "Accept-Encoding"}
    if "zstd" in request.headers.get("accept-encoding", "") and data:
        headers["Content-Encoding"] = "zstd"
        data = zstandard.ZstdCompressor(level=3).compress(data)
    return Response(data, media_type=_BINARY, headers=headers)
