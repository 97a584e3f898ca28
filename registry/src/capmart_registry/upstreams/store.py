"""Where this center keeps what it learns from followed logs: its own database, state and rows in one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from capmart_core.errors import CapmartError, StateConflict, StoreFull
from capmart_core.ledger import KeyFact, NamespaceFact, ReleaseFact, ReleasePublished
from capmart_core.log import Checkpoint, Frontier
from capmart_core.log.merkle import HASH_BYTES
from capmart_core.signing import PublicKey
from capmart_core.times import now_utc
from capmart_registry.catalog.indexing import current_revision
from capmart_registry.catalog.ledger_view import DatabaseLedger
from capmart_registry.catalog.service import attach_manifests, store_facts
from capmart_registry.center import Center
from capmart_registry.db import is_full
from capmart_registry.log import service as log
from capmart_registry.upstreams.filters import Filters
from capmart_registry.upstreams.models import FollowedLog, RefusedEntry, Upstream
from capmart_sdk.follow import Batch, LogState


class RegistryStore:
    """A :class:`capmart_sdk.follow.FollowStore` over the center's database.

    Entries, what follows from them, the manifests that the filters let through and the state of the follower are
    committed together. The entries are kept word for word, so that they can be relayed.

    Args:
        center: this center.
        filters: what of the upstream is let into this catalog.
    """

    def __init__(self, center: Center, filters: Filters) -> None:
        self._center = center
        self._db = center.db
        self._filters = filters

    def state(self, origin: str) -> LogState | None:
        """How far a log was followed; None when it never was."""
        with self._db.read() as session:
            row = session.get(FollowedLog, origin)
        return None if row is None else _state(row)

    def revision(self) -> int:
        """Changes whenever a namespace, key or release changes, whichever log caused it."""
        with self._db.read() as session:
            return current_revision(session)

    def wants(self, published: ReleasePublished) -> bool:
        """Whether the filters let this release into the catalog."""
        return self._filters.lets_in(published)

    def namespace(self, namespace: str) -> NamespaceFact | None:
        """The namespace, once a grant was seen."""
        with self._db.read() as session:
            return DatabaseLedger(session).namespace(namespace)

    def key(self, namespace: str, keyid: str) -> KeyFact | None:
        """A key of a namespace, also when it is revoked."""
        with self._db.read() as session:
            return DatabaseLedger(session).key(namespace, keyid)

    def release(self, component: str, version: str) -> ReleaseFact | None:
        """A release, also when only another center's act about it was seen."""
        with self._db.read() as session:
            return DatabaseLedger(session).release(component, version)

    def releases(self, namespace: str) -> list[ReleaseFact]:
        """Every release of a namespace."""
        with self._db.read() as session:
            return list(DatabaseLedger(session).releases(namespace))

    def apply(self, batch: Batch) -> None:
        """Commit the batch and its state in one transaction; one that was committed before is a no-op.

        Raises:
            StateConflict: the cursor or the revision is not the one that the batch rests on; nothing was written.
            StoreFull: no room; nothing was written.
        """
        with self._writing() as session:
            row = session.get(FollowedLog, batch.origin)
            if row is not None and _superseded(batch.state, _state(row)):
                return
            applied = 0 if row is None else row.cursor
            if applied != batch.start or current_revision(session) != batch.revision:
                raise StateConflict(
                    what=f"log of {batch.origin}",
                    state=f"applied up to {applied}, or the catalog changed meanwhile",
                    action="apply",
                    needed=f"applied up to {batch.start}, and the catalog as it was judged against",
                )
            self._keep_entries(session, batch)
            if batch.namespaces or batch.keys or batch.releases:
                store_facts(session, batch.namespaces, batch.keys, batch.releases, wanted=self._filters.lets_in)
            self._attach(session, batch)
            if batch.remaining == 0 and batch.state.at is not None:
                # A relay promises no entry that it cannot serve, so its checkpoint follows when all are here.
                checkpoint = Checkpoint(batch.origin, batch.state.size, batch.state.root)
                log.store_relayed_checkpoint(session, checkpoint, batch.state.checkpoint, batch.state.at)
            session.merge(_row(batch.state))

    def evidence(self, origin: str) -> Path:
        """Folder for proofs that this log misbehaved."""
        return self._center.settings.data.absolute() / "evidence" / origin.replace("/", "_")

    def alarm(self, origin: str, error: CapmartError) -> None:
        """Keep that following this log was refused."""
        with self._writing() as session:
            note_health(session, origin, error)

    def _keep_entries(self, session: Session, batch: Batch) -> None:
        leaves: list[tuple[bytes, str | None, datetime]] = []
        for verdict in batch.verdicts:
            published = next((one for one in verdict.changes if isinstance(one, ReleasePublished)), None)
            accepted = now_utc() if verdict.entry is None else verdict.entry.accepted
            leaves.append((verdict.data, published.config if published else None, accepted))
            if verdict.refusal is not None:
                session.merge(_refused(batch.origin, verdict.index, verdict.about, verdict.refusal))
        log.store_relayed(session, batch.origin, batch.state.key, start=batch.start, leaves=leaves)

    def _attach(self, session: Session, batch: Batch) -> None:
        """A manifest that contradicts its publisher's statement is refused; the log goes on after it."""
        refused = attach_manifests(session, batch.bodies)
        for change in batch.changes if refused else ():
            if isinstance(change, ReleasePublished) and change.config in refused:
                about = change.component, change.version
                session.merge(_refused(batch.origin, change.index, about, refused[change.config]))

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        try:
            with self._db.write() as session:
                yield session
        except OperationalError as error:
            if is_full(error):
                raise StoreFull(store=self._db.engine.url.render_as_string(), reason=str(error.orig)) from error
            raise


def note_health(session: Session, origin: str, error: CapmartError | None) -> None:
    """Keep how following an upstream went; None when it went well."""
    row = session.get(Upstream, origin)
    if row is None:
        return
    if error is None:
        row.last_ok, row.last_error, row.last_error_zh, row.last_error_en = now_utc(), None, None, None
    else:
        row.last_error, row.last_error_at = error.code, now_utc()
        row.last_error_zh, row.last_error_en = error.message("zh")[:2000], error.message("en")[:2000]
    session.add(row)


def _refused(origin: str, index: int, about: tuple[str, str] | None, error: CapmartError) -> RefusedEntry:
    component, version = about or (None, None)
    return RefusedEntry(
        origin=origin,
        log_index=index,
        component=component,
        version=version,
        code=error.code,
        zh=error.message("zh"),
        en=error.message("en"),
    )


def _superseded(state: LogState, known: LogState) -> bool:
    """Whether what is known already has all that the state would bring."""
    at_least_as_new = state.at is None or (known.at is not None and known.at >= state.at)
    return known.cursor >= state.cursor and known.size >= state.size and at_least_as_new


def _state(row: FollowedLog) -> LogState:
    hashes = [row.hashes[place : place + HASH_BYTES] for place in range(0, len(row.hashes), HASH_BYTES)]
    return LogState(
        origin=row.origin,
        key=PublicKey.parse(row.key),
        checkpoint=row.checkpoint,
        size=row.size,
        root=row.root,
        at=row.at,
        frontier=Frontier(row.cursor, tuple(hashes)),
    )


def _row(state: LogState) -> FollowedLog:
    return FollowedLog(
        origin=state.origin,
        key=str(state.key),
        checkpoint=state.checkpoint,
        size=state.size,
        root=state.root,
        at=state.at,
        cursor=state.cursor,
        hashes=b"".join(state.frontier.hashes),
    )
