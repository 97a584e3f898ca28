"""Appending to the center's own log, publishing its checkpoint, and keeping relayed logs beside it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import insert
from sqlmodel import Session, col, func, select

from capmart_core.ledger import ReleasePublished, interpret
from capmart_core.log import Checkpoint, LogKey, encode_entry, leaf_hash, new_nodes, sign_checkpoint, tree_root
from capmart_core.signing import PublicKey, sign_statement
from capmart_core.statements import Entry, EntryEnvelope, Statement
from capmart_core.times import now_utc
from capmart_registry.catalog import service as catalog
from capmart_registry.catalog.ledger_view import DatabaseLedger
from capmart_registry.center import Center
from capmart_registry.db import after_commit
from capmart_registry.log.models import CheckpointRow, HashRow, LogOrigin, LogRow
from capmart_registry.log.reader import LogReader, node_reader


def create_own_log(session: Session, center: Center) -> None:
    """Register the center's own log; done once, by ``capmart center init``."""
    if session.get(LogOrigin, center.origin) is None:
        key = str(center.signer.public)
        session.add(LogOrigin(origin=center.origin, key=key, own=True, added=now_utc()))
        session.flush()


def append(center: Center, session: Session, envelope: EntryEnvelope, *, report: str | None = None) -> int:
    """Append a statement to the center's log and let the catalog say what follows, all in the caller's transaction.

    Write transactions follow one another, so n is visible before n + 1. The checkpoint that covers the entry is
    published once the transaction is durable.

    Args:
        center: whose log.
        session: of ``center.db.write()``.
        envelope: the signed statement.
        report: digest of the signed review report.

    Returns:
        the entry's index.

    Raises:
        CapmartError: the rules of the ledger refuse it; nothing is appended.
    """
    index = size_of(session, center.origin)
    entry = Entry(accepted=now_utc(), envelope=envelope, report=report)
    changes = interpret(center.origin, center.signer.public, index, entry, DatabaseLedger(session))
    config = next((change.config for change in changes if isinstance(change, ReleasePublished)), None)
    leaf = encode_entry(entry)
    session.add(LogRow(origin=center.origin, index=index, leaf=leaf, config=config, accepted=entry.accepted))
    _store_hashes(session, center.origin, index, [leaf])
    session.flush()
    catalog.apply_changes(session, center.origin, index, entry, changes)
    after_commit(session, "checkpoint", lambda: publish_checkpoint(center))
    return index


def append_act(center: Center, session: Session, statement: Statement) -> int:
    """Sign a statement with the center's own key and append it; see :func:`append`."""
    return append(center, session, sign_statement(statement, center.signer))


def publish_checkpoint(center: Center, *, force: bool = False) -> bytes:
    """Make the published checkpoint cover every entry, and be no older than the settings allow; returns the note.

    Derived from the rows, so that a process that died before it did this is caught up by the next one.

    Args:
        center: whose log.
        force: sign anew although nothing changed.
    """
    with center.db.read() as session:
        current = session.get(CheckpointRow, center.origin)
        size = size_of(session, center.origin)
    if current is not None and not force and current.size == size and not _old(center, current.at):
        return current.note
    with center.db.write() as session:
        size = size_of(session, center.origin)
        row = session.get(CheckpointRow, center.origin)
        if row is not None and not force and row.size == size and not _old(center, row.at):
            return row.note
        root = tree_root(size, node_reader(session, center.origin))
        at = now_utc()
        note = sign_checkpoint(Checkpoint(center.origin, size, root), center.signer, at)
        session.merge(CheckpointRow(origin=center.origin, size=size, root=root, note=note, at=at))
    return note


def store_relayed(
    session: Session, origin: str, key: PublicKey, *, start: int, leaves: Sequence[tuple[bytes, str | None, datetime]]
) -> None:
    """Keep verified entries of another center's log, word for word, from index ``start`` on.

    Args:
        session: in the transaction in which the follower commits its state.
        origin: of that log.
        key: its public key.
        start: index of the first leaf; how many are kept already.
        leaves: for each the leaf, the digest of the manifest it publishes, if any, and when it was accepted.
    """
    if session.get(LogOrigin, origin) is None:
        session.add(LogOrigin(origin=origin, key=str(key), own=False, added=now_utc()))
        session.flush()
    rows = [
        {"origin": origin, "index": start + offset, "leaf": leaf, "config": config, "accepted": accepted}
        for offset, (leaf, config, accepted) in enumerate(leaves)
    ]
    if rows:
        session.execute(insert(LogRow), rows)
        _store_hashes(session, origin, start, [leaf for leaf, _, _ in leaves])


def store_relayed_checkpoint(session: Session, checkpoint: Checkpoint, note: bytes, at: datetime) -> None:
    """Keep the newest verified checkpoint of another center's log; its entries must be kept already."""
    session.merge(CheckpointRow(origin=checkpoint.origin, size=checkpoint.size, root=checkpoint.root, note=note, at=at))
    session.flush()


def size_of(session: Session, origin: str) -> int:
    """How many entries of a log are kept here."""
    count: int | None = session.exec(select(func.max(col(LogRow.index)) + 1).where(LogRow.origin == origin)).one()
    return count or 0


def log_key(center: Center) -> LogKey:
    """The center's verifier key: what others must know to trust its log."""
    return LogKey(center.origin, center.signer.public)


def readers(center: Center) -> dict[str, LogReader]:
    """A reader for every log that is kept here, by origin."""
    with center.db.read() as session:
        rows = session.exec(select(LogOrigin)).all()
    return {row.origin: LogReader(center.db, row.origin, PublicKey.parse(row.key), own=row.own) for row in rows}


def _old(center: Center, at: datetime) -> bool:
    return now_utc() - at >= timedelta(seconds=center.settings.checkpoint_max_age_s)


def _store_hashes(session: Session, origin: str, start: int, leaves: Sequence[bytes]) -> None:
    found = new_nodes(start, [leaf_hash(leaf) for leaf in leaves], node_reader(session, origin))
    rows = [
        {"origin": origin, "level": node.level, "index": node.number, "hash": value} for node, value in found.items()
    ]
    session.execute(insert(HashRow), rows)
