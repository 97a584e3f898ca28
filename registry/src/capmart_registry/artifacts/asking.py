"""What the routes of ``/v2/`` share: who asks, about which repository, digest or tag."""

from __future__ import annotations

from typing import Annotated, NoReturn

from fastapi import Depends, Request

from capmart_core.errors import InvalidIdentifier, NotAuthenticated
from capmart_core.identifiers import ComponentId, check_digest
from capmart_registry.accounts.principal import Principal
from capmart_registry.artifacts import access, service
from capmart_registry.artifacts.errors import OciError
from capmart_registry.center import Center
from capmart_registry.dependencies import CenterDep

REPOSITORY = "/{namespace}/{name}"


def caller(request: Request, center: CenterDep) -> Principal | None:
    """Who asks; also prepares the challenge that a refusal carries (RFC 6750, Docker's token flow)."""
    path = request.url.path.removeprefix("/v2/").split("/")
    actions = "pull" if request.method in ("GET", "HEAD") else "pull,push"
    scope = f',scope="repository:{path[0]}/{path[1]}:{actions}"' if len(path) > 2 and _is_repository(path) else ""
    address = center.settings.public_url or f"{request.url.scheme}://{request.url.netloc}"
    request.state.challenge = f'Bearer realm="{address}/v2/token",service="{center.origin}"{scope}'
    who = access.principal_of(center, request.headers.get("authorization"))
    request.state.principal = who
    return who


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


def checked_digest(digest: str) -> str:
    """``digest`` if it is one.

    Raises:
        OciError: it is not.
    """
    try:
        return check_digest(digest)
    except InvalidIdentifier as error:
        raise OciError("DIGEST_INVALID", 400, error.message("en")) from error


def checked_reference(reference: str) -> str:
    """``reference`` if it is a digest or can be a tag.

    Raises:
        OciError: it is neither.
    """
    if ":" in reference:
        return checked_digest(reference)
    if not service.is_tag(reference):
        raise OciError("MANIFEST_INVALID", 400, f"{reference[:100]!r} is no tag")
    return reference


def refuse_unseen(request: Request, center: Center, error: OciError) -> NoReturn:
    """What is absent and what may not be seen have one answer; whoever said nothing of themselves may do so now."""
    if request.headers.get("authorization") is None:
        raise NotAuthenticated(center=center.origin) from error
    raise error


def _is_repository(path: list[str]) -> bool:
    """Whether the address names a repository, and so may be repeated in a header."""
    try:
        ComponentId.parse("/".join(path[:2]))
    except InvalidIdentifier:
        return False
    return True
