"""Granting namespaces: an act of the center, written to its log."""

from __future__ import annotations

from capmart_core.identifiers import check_namespace
from capmart_core.statements import NamespaceGrant
from capmart_core.times import now_utc
from capmart_registry.accounts import service
from capmart_registry.catalog.models import LedgerNamespace
from capmart_registry.center import Center
from capmart_registry.log import service as log


def grant_namespace(center: Center, namespace: str, organisation: str) -> int:
    """Grant ``namespace`` to a registered organisation and return the entry's index; granting it again changes nothing.

    Raises:
        InvalidIdentifier: no namespace is spelled so.
        NotFound: the organisation is not registered.
        NamespaceNotHome, StateConflict: it is another's already.
    """
    check_namespace(namespace)
    with center.db.write() as session:
        service.organisation(session, organisation)
        known = session.get(LedgerNamespace, namespace)
        if known is not None and (known.home, known.organisation) == (center.origin, organisation):
            return known.log_index
        statement = NamespaceGrant(home=center.origin, at=now_utc(), namespace=namespace, organisation=organisation)
        return log.append_act(center, session, statement)
