"""Durable jobs: done at least once, by whichever worker leases them first, whatever becomes of that worker.

A lease that is not renewed runs out, and another worker begins the job again; so what a job does must be repeatable.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session, col, or_, select

from capmart_core.errors import StateConflict
from capmart_core.times import now_utc
from capmart_registry.db import Database
from capmart_registry.submissions.models import Job

_log = logging.getLogger("capmart.worker")

LEASE = timedelta(seconds=20)
RENEW_EVERY_S = 5.0
MAX_BACKOFF = timedelta(minutes=10)


@dataclass(frozen=True)
class Lease:
    """One job, in the hands of one worker.

    Attributes:
        tries: how often it was begun, this time counted.
    """

    job: int
    kind: str
    subject: str
    worker: str
    tries: int


def worker_name() -> str:
    """A name for this worker that no other has."""
    return f"{socket.gethostname()[:60]}:{os.getpid()}:{secrets.token_hex(4)}"


def enqueue(session: Session, kind: str, subject: str, *, due: datetime | None = None) -> None:
    """Ask for a job; one that is waiting already is not doubled, and becomes due no later."""
    when = due or now_utc()
    row = session.exec(select(Job).where(Job.kind == kind, Job.subject == subject)).first()
    if row is None:
        row = Job(kind=kind, subject=subject, due=when)
    else:
        row.due = min(row.due, when)
    session.add(row)
    session.flush()


def exists(session: Session, kind: str, subject: str) -> bool:
    """Whether there is such a job, waiting or in somebody's hands."""
    return session.exec(select(Job.id).where(Job.kind == kind, Job.subject == subject)).first() is not None


def take(db: Database, worker: str, kinds: tuple[str, ...]) -> Lease | None:
    """Lease the job that has been due the longest; None when there is none."""
    now = now_utc()
    free = or_(col(Job.lease).is_(None), col(Job.lease) < now)
    due = select(Job).where(col(Job.kind).in_(kinds), Job.due <= now, free).order_by(col(Job.due), col(Job.id)).limit(1)
    with db.read() as session:  # most of the time there is nothing, and looking needs no write lock
        if session.exec(due).first() is None:
            return None
    with db.write() as session:
        row = session.exec(due).first()
        if row is None or row.id is None:
            return None
        row.lease, row.worker, row.tries = now + LEASE, worker, row.tries + 1
        session.add(row)
        return Lease(row.id, row.kind, row.subject, worker, row.tries)


def finish(session: Session, lease: Lease) -> None:
    """The job is done; call it in the transaction that holds what it did.

    Raises:
        StateConflict: the lease ran out and another worker has the job: what was done here must not count.
    """
    session.delete(_held(session, lease))


def give_up(db: Database, lease: Lease) -> None:
    """Let another worker go on with a standing job at once."""
    with db.write() as session:
        try:
            row = _held(session, lease)
        except StateConflict:
            return
        row.lease = row.worker = None
        row.due, row.tries = now_utc(), 0
        session.add(row)


def put_back(db: Database, lease: Lease, error: Exception | None) -> None:
    """The job could not be done; it is tried again later, the later the more often it failed."""
    with db.write() as session:
        try:
            row = _held(session, lease)
        except StateConflict:
            return
        row.lease = row.worker = None
        row.due = now_utc() + min(MAX_BACKOFF, timedelta(seconds=2 ** min(row.tries, 10)))
        row.last_error = None if error is None else str(error)[:500]
        session.add(row)


@contextmanager
def kept(db: Database, lease: Lease) -> Iterator[threading.Event]:
    """Renew the lease from time to time while the work goes on; gives an event that is set when the lease is lost."""
    done, lost = threading.Event(), threading.Event()

    def renew() -> None:
        while not done.wait(RENEW_EVERY_S):
            try:
                with db.write() as session:
                    row = _held(session, lease)
                    row.lease = now_utc() + LEASE
                    session.add(row)
            except StateConflict:
                lost.set()
                return
            except Exception as error:  # noqa: BLE001 - a database away for a moment; the next renewal may succeed
                _log.warning("the lease of %s %s was not renewed: %s", lease.kind, lease.subject, error)

    thread = threading.Thread(target=renew, name="lease", daemon=True)
    thread.start()
    try:
        yield lost
    finally:
        done.set()
        thread.join()


def _held(session: Session, lease: Lease) -> Job:
    row = session.get(Job, lease.job)
    if row is None or row.worker != lease.worker or row.tries != lease.tries:
        raise StateConflict(
            what=f"{lease.kind} of {lease.subject}",
            state="in other hands",
            action="finish",
            needed=f"leased by {lease.worker}",
        )
    return row
