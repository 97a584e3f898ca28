"""Accounts over HTTP: who am I, and namespaces with their publisher keys, which live in the log."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from capmart_core.errors import NotAllowed, NotFound
from capmart_core.identifiers import check_namespace
from capmart_core.signing import PublicKey
from capmart_core.statements import KeyAdd, KeyRevoke
from capmart_core.times import now_utc
from capmart_registry.accounts import namespaces
from capmart_registry.accounts.principal import Principal
from capmart_registry.catalog.models import LedgerKey, LedgerNamespace
from capmart_registry.center import Center
from capmart_registry.dependencies import CenterDep, CurrentAccount, require
from capmart_registry.log import service as log

router = APIRouter(prefix="/api/v1", tags=["accounts"])


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class WhoAmI(_Body):
    """The caller."""

    account: str
    organisation: str
    roles: list[str]
    scopes: list[str]


class NamespaceRequest(_Body):
    """Grant a namespace to an organisation."""

    namespace: Annotated[str, Field(max_length=64)]
    organisation: Annotated[str, Field(max_length=64)]


class KeyRequest(_Body):
    """A publisher key, spelled ``ed25519:`` and base64."""

    key: Annotated[str, Field(max_length=500)]


class Logged(_Body):
    """Where in the log it is."""

    index: int


@router.get("/whoami")
def whoami(who: CurrentAccount) -> WhoAmI:
    """Whose token this is and what it may do."""
    return WhoAmI(
        account=who.account, organisation=who.organisation, roles=sorted(who.roles), scopes=sorted(who.scopes)
    )


@router.post("/namespaces", status_code=201)
def grant(body: NamespaceRequest, center: CenterDep, _who: Annotated[Principal, Depends(require("admin"))]) -> Logged:
    """Grant a namespace; this log becomes its home."""
    return Logged(index=namespaces.grant_namespace(center, body.namespace, body.organisation))


@router.post("/namespaces/{namespace}/keys", status_code=201)
def add_key(
    namespace: str, body: KeyRequest, center: CenterDep, who: Annotated[Principal, Depends(require("namespace"))]
) -> Logged:
    """Let a key sign for the namespace from now on."""
    key = PublicKey.parse(body.key)
    _check_owner(center, namespace, who)
    with center.db.write() as session:
        known = session.get(LedgerKey, (namespace, key.keyid))
        if known is not None and known.revoked_from is None:
            return Logged(index=known.added_index)
        statement = KeyAdd(home=center.origin, at=now_utc(), namespace=namespace, keyid=key.keyid, key=str(key))
        return Logged(index=log.append_act(center, session, statement))


@router.post("/namespaces/{namespace}/keys/{keyid}/revoke", status_code=201)
def revoke_key(
    namespace: str, keyid: str, center: CenterDep, who: Annotated[Principal, Depends(require("namespace"))]
) -> Logged:
    """Let a key sign no more from the next entry on."""
    _check_owner(center, namespace, who)
    with center.db.write() as session:
        if session.get(LedgerKey, (namespace, keyid)) is None:
            raise NotFound(what=f"key {keyid[:64]} of {namespace}")
        from_index = log.size_of(session, center.origin)
        statement = KeyRevoke(home=center.origin, at=now_utc(), namespace=namespace, keyid=keyid, from_index=from_index)
        return Logged(index=log.append_act(center, session, statement))


def _check_owner(center: Center, namespace: str, who: Principal) -> None:
    with center.db.read() as session:
        known = session.get(LedgerNamespace, check_namespace(namespace))
    if known is None:
        raise NotFound(what=f"namespace {namespace}")
    if known.organisation != who.organisation and "admin" not in who.scopes:
        raise NotAllowed(action=f"change the keys of {namespace}", needed=f"an account of {known.organisation}")
