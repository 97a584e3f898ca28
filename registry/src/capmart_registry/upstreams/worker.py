"""The worker's part in following upstreams: one thread for each, one worker for each upstream."""

from __future__ import annotations

import logging
import random
import threading

from sqlalchemy.exc import SQLAlchemyError

from capmart_core.errors import CapmartError, NotFound
from capmart_registry.center import Center
from capmart_registry.submissions import jobs
from capmart_registry.submissions.jobs import Lease
from capmart_registry.upstreams import service

_log = logging.getLogger("capmart.upstreams")

WAIT_S = 10.0
LOOK_S = 1.0
LEAVE_S = 0.5


def follow_upstreams(center: Center, stop: threading.Event) -> None:
    """Follow every upstream until ``stop`` is set.

    Which worker follows which upstream is settled by leases; that of a worker that died is taken over.
    """
    worker = jobs.worker_name()
    at_work: dict[threading.Thread, Lease] = {}
    while not stop.is_set():
        try:
            _ensure_jobs(center)
            lease = jobs.take(center.db, worker, (service.FOLLOW,))
        except (CapmartError, SQLAlchemyError) as error:
            _log.warning("upstreams wait: %s", error)
            lease = None
        if lease is None:
            stop.wait(LOOK_S)
            continue
        name = f"follow {lease.subject}"
        thread = threading.Thread(target=_follow, args=(center, lease, stop), name=name, daemon=True)
        thread.start()
        at_work = {one: held for one, held in at_work.items() if one.is_alive()} | {thread: lease}
    for thread, lease in at_work.items():
        thread.join(LEAVE_S)
        if thread.is_alive():  # it waits for an answer; what it holds goes to the next worker all the same
            jobs.give_up(center.db, lease)


def _ensure_jobs(center: Center) -> None:
    with center.db.read() as session:
        absent = [origin for origin in service.origins(session) if not jobs.exists(session, service.FOLLOW, origin)]
    if absent:
        with center.db.write() as session:
            for origin in absent:
                jobs.enqueue(session, service.FOLLOW, origin)


def _follow(center: Center, lease: Lease, stop: threading.Event) -> None:
    """Follow one upstream for as long as the lease holds."""
    origin = lease.subject
    with jobs.kept(center.db, lease) as lost:
        while not stop.is_set() and not lost.is_set():
            try:
                with service.Following(center, origin) as following:
                    while not stop.is_set() and not lost.is_set() and following.is_current():
                        following.catch_up(None, stop, wait=WAIT_S)
            except NotFound:  # removed meanwhile
                break
            except CapmartError as error:
                _log.warning("upstream %s: %s", origin, error)
            except SQLAlchemyError as error:
                _log.warning("upstream %s waits for the database: %s", origin, error)
            # Jitter, so that many followers of a center that was away do not all return at once.
            pause = center.settings.sync_interval_s * random.uniform(0.5, 1.5)  # noqa: S311 - no secret
            stop.wait(pause)
    jobs.give_up(center.db, lease)
