"""``/v2/``: the OCI Distribution specification 1.1 over HTTP; blobs are in :mod:`capmart_registry.artifacts.blobs`."""

from __future__ import annotations

from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from capmart_core.errors import NotAuthenticated, TooLarge
from capmart_registry.accounts.principal import Principal
from capmart_registry.artifacts import access, blobs, service
from capmart_registry.artifacts.asking import (
    REPOSITORY,
    Caller,
    Repository,
    checked_digest,
    checked_reference,
    refuse_unseen,
)
from capmart_registry.artifacts.errors import OciError
from capmart_registry.center import Center
from capmart_registry.dependencies import CenterDep, SessionDep

router = APIRouter(prefix="/v2", tags=["artifacts"])

MAX_PAGE = 10_000
_INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFEST = f"{REPOSITORY}/manifests/{{reference}}"


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


@router.head(_MANIFEST, response_model=None)
@router.get(_MANIFEST, response_model=None)
def get_manifest(request: Request, reference: str, repo: Repository, who: Caller, center: CenterDep) -> Response:
    """A manifest or index, by tag or digest; what can be no tag names none."""
    if ":" in reference:
        checked_digest(reference)
    with center.db.read() as session:
        found = (
            service.find_manifest(session, repo, reference) if ":" in reference or service.is_tag(reference) else None
        )
        seen = found is not None and access.may_read(session, who, repo, found.digest)
    if found is None or not seen:
        refuse_unseen(request, center, OciError("MANIFEST_UNKNOWN", 404, f"no manifest {reference[:200]!r}"))
    headers = {"Docker-Content-Digest": found.digest, "ETag": f'"{found.digest}"', "Content-Length": str(found.size)}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers={"ETag": headers["ETag"]})
    if request.method == "HEAD":
        return Response(headers=headers, media_type=found.media_type)
    with center.blobs.open(found.digest) as stream:
        return Response(stream.read(), media_type=found.media_type, headers=headers)


@router.put(_MANIFEST, status_code=201, response_model=None)
async def put_manifest(request: Request, reference: str, repo: Repository, who: Caller, center: CenterDep) -> Response:
    """Push a manifest or index under a tag or its digest."""
    await run_sync(_check_write, center, who, repo)
    wanted = checked_reference(reference)
    data = await _body(request, center.settings.max_manifest_bytes)
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    return await run_sync(_store_manifest, center, repo, wanted, data, kind)


@router.delete(_MANIFEST, status_code=202, response_model=None)
def delete_manifest(reference: str, repo: Repository, who: Caller, center: CenterDep) -> Response:
    """Remove a tag or a manifest; what a logged release rests on stays."""
    with center.db.write() as session:
        access.check_write(center, session, who, repo)
        service.delete_manifest(session, repo, checked_reference(reference))
    return Response(status_code=202)


@router.get(f"{REPOSITORY}/tags/list")
def list_tags(
    request: Request,
    repo: Repository,
    who: Caller,
    center: CenterDep,
    session: SessionDep,
    n: Annotated[int, Query(ge=0)] = 1000,
    last: str = "",
) -> Response:
    """The tags that the caller may see, in lexical order, by pages of ``n`` (10,000 at most)."""
    found = [row.tag for row in service.tags(session, repo) if access.may_read(session, who, repo, row.digest)]
    if not found and not access.owns(session, who, repo):
        refuse_unseen(request, center, OciError("NAME_UNKNOWN", 404, f"no repository {repo}"))
    n = min(n, MAX_PAGE)
    rest = [tag for tag in found if tag > last]
    headers = {"Link": f'</v2/{repo}/tags/list?n={n}&last={rest[n - 1]}>; rel="next"'} if 0 < n < len(rest) else {}
    return JSONResponse({"name": repo, "tags": rest[:n]}, headers=headers)


@router.get(f"{REPOSITORY}/referrers/{{digest}}")
def list_referrers(
    digest: str,
    repo: Repository,
    who: Caller,
    session: SessionDep,
    artifact_type: Annotated[str | None, Query(alias="artifactType")] = None,
) -> Response:
    """What refers to a manifest: signatures, reports, approvals; those that the caller may read."""
    found = service.referrers(session, repo, checked_digest(digest), artifact_type)
    manifests = [
        {
            "mediaType": row.media_type,
            "digest": row.digest,
            "size": row.size,
            "artifactType": row.artifact_type,
            **({"annotations": row.annotations} if row.annotations else {}),
        }
        for row in found
        if access.may_read(session, who, repo, row.digest)
    ]
    headers = {"OCI-Filters-Applied": "artifactType"} if artifact_type else {}
    index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": manifests}
    return JSONResponse(index, media_type=_INDEX, headers=headers)


def _check_write(center: Center, who: Principal | None, repo: str) -> None:
    with center.db.read() as session:
        access.check_write(center, session, who, repo)


def _store_manifest(center: Center, repo: str, reference: str, data: bytes, kind: str) -> Response:
    with center.db.write() as session:
        digest = service.put_manifest(center, session, repo, reference, data, kind)
        row = service.find_manifest(session, repo, digest)
    headers = {"Location": f"/v2/{repo}/manifests/{digest}", "Docker-Content-Digest": digest}
    if row is not None and row.subject:
        headers["OCI-Subject"] = row.subject
    return Response(status_code=201, headers=headers)


async def _body(request: Request, limit: int) -> bytes:
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > limit:
            raise TooLarge(what="manifest", limit=limit)
    return bytes(data)


router.include_router(blobs.router)
