"""The worker: runs checks and follows upstreams. It alone reaches the container engine; any number may run at once."""

from __future__ import annotations

import logging
import threading

from capmart_core.errors import CapmartError
from capmart_registry.center import Center
from capmart_registry.hooks import center_plugins
from capmart_registry.search.writer import SearchWriter
from capmart_registry.submissions import jobs
from capmart_registry.submissions import service as submissions
from capmart_registry.submissions.bench import Runners
from capmart_registry.submissions.intake import CHECK
from capmart_registry.upstreams.worker import follow_upstreams

_log = logging.getLogger("capmart.worker")

IDLE_S = 0.05


def run(center: Center, stop: threading.Event) -> None:
    """Work until ``stop`` is set; what is under way then is finished first."""
    name = jobs.worker_name()
    indexing = SearchWriter(center.db, center.settings.search_path)
    beside = [
        threading.Thread(target=follow_upstreams, args=(center, stop), name="upstreams", daemon=True),
        threading.Thread(target=indexing.run, args=(stop,), name="search", daemon=True),
    ]
    for thread in beside:
        thread.start()
    with Runners(center.settings, lasting=True) as runners:
        _log.info("worker %s is ready", name)
        while not stop.is_set():
            if not _check_one(center, runners, name):
                stop.wait(IDLE_S)
    for thread in beside:
        thread.join(10)


def run_until_idle(center: Center) -> int:
    """Do every check that is due and say how many there were."""
    name, done = jobs.worker_name(), 0
    with Runners(center.settings) as runners:
        while _check_one(center, runners, name):
            done += 1
    return done


def _check_one(center: Center, runners: Runners, name: str) -> bool:
    """Do one check, if one is due; a job that fails is put back and tried later."""
    try:
        lease = jobs.take(center.db, name, (CHECK,))
        if lease is None:
            return False
    except CapmartError as error:
        _log.warning("no job could be taken: %s", error)
        return False
    try:
        with jobs.kept(center.db, lease):
            submissions.run_checks(center, center_plugins(), runners, lease)
    except CapmartError as error:
        _log.warning("%s of %s failed: %s", lease.kind, lease.subject, error)
        jobs.put_back(center.db, lease, error)
    except Exception:  # noqa: BLE001 - one job that breaks must not end the worker; it is tried again later
        _log.exception("%s of %s failed", lease.kind, lease.subject)
        jobs.put_back(center.db, lease, None)
    return True
