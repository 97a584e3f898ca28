"""What the rules of the ledger ask, answered from the database."""

from __future__ import annotations

from collections.abc import Iterator

from sqlmodel import Session, select

from capmart_core.ledger import KeyFact, NamespaceFact, ReleaseFact, decode_release
from capmart_registry.catalog.models import LedgerKey, LedgerNamespace, LedgerRelease


class DatabaseLedger:
    """A :class:`capmart_core.ledger.LedgerView` over the rows that ``session`` sees, its own changes among them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def namespace(self, namespace: str) -> NamespaceFact | None:
        """The namespace, once a grant was seen."""
        row = self._session.get(LedgerNamespace, namespace)
        return None if row is None else NamespaceFact(row.namespace, row.home, row.organisation, row.log_index)

    def key(self, namespace: str, keyid: str) -> KeyFact | None:
        """A key of a namespace, also when it is revoked."""
        row = self._session.get(LedgerKey, (namespace, keyid))
        if row is None:
            return None
        return KeyFact(row.namespace, row.keyid, row.key, row.added_index, row.revoked_from)

    def release(self, component: str, version: str) -> ReleaseFact | None:
        """A release, also when only another center's act about it was seen."""
        found = select(LedgerRelease.fact).where(
            LedgerRelease.component_id == component, LedgerRelease.version == version
        )
        fact = self._session.exec(found).first()
        return None if fact is None else decode_release(fact)

    def releases(self, namespace: str) -> Iterator[ReleaseFact]:
        """Every release of a namespace."""
        for row in self._session.exec(select(LedgerRelease).where(LedgerRelease.namespace == namespace)):
            yield decode_release(row.fact)
