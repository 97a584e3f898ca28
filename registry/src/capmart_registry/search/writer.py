"""Writing the index: one process per machine follows the catalog, chosen by a lock on a file.

Every process of a center runs :meth:`SearchWriter.run` in a thread. The one that holds the lock writes; when it ends,
however it ends, the system gives the lock to another.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from capmart_core.errors import Busy
from capmart_registry.catalog.indexing import changes_since, current_revision
from capmart_registry.db import Database
from capmart_registry.search.index import IndexWriter, open_index, read_cursor

_log = logging.getLogger("capmart.search")

POLL_S = 0.25
RETRY_S = 2.0
_REBUILD = "rebuild"


class SearchWriter:
    """Keeps the index up with the catalog.

    Args:
        root: folder of the index (``settings.search_path``).
    """

    def __init__(self, db: Database, root: Path) -> None:
        self._db = db
        self._root = root

    def run(self, stop: threading.Event) -> None:
        """Follow the catalog until ``stop`` is set, whenever the lock is free."""
        while not stop.is_set():
            try:
                with self._locked() as held:
                    if held:
                        self._follow(stop)
            except (OSError, SQLAlchemyError, ValueError) as error:
                # A full disk or a database away: what the index lacks is caught up afterwards.
                _log.warning("the search index waits: %s", error)
            stop.wait(RETRY_S)

    def catch_up(self) -> bool:
        """Bring the index up to date now; False when another process holds the lock and does it anyway."""
        with self._locked() as held:
            if held:
                with self._writer() as (writer, cursor):
                    self._advance(writer, cursor)
            return held

    def rebuild(self, *, timeout_s: float = 600) -> None:
        """Make the index anew from the catalog, here or in the process that holds the lock.

        Raises:
            Busy: the process that holds the lock did not do it in time.
        """
        request = self._root / _REBUILD
        self._root.mkdir(parents=True, exist_ok=True)
        request.touch()
        limit = time.monotonic() + timeout_s
        while request.exists():
            if not self.catch_up():
                if time.monotonic() > limit:
                    raise Busy(what="search index", retry_after=60)
                time.sleep(POLL_S)

    def _follow(self, stop: threading.Event) -> None:
        with self._writer() as (writer, start):
            cursor = start
            while not stop.is_set():
                cursor = self._advance(writer, cursor)
                stop.wait(POLL_S)

    def _advance(self, writer: IndexWriter, cursor: int) -> int:
        request = self._root / _REBUILD
        wanted = request.exists()
        with self._db.read() as session:
            revision = current_revision(session)
        if wanted or cursor > revision:  # the catalog was replaced by an older one
            writer.clear()
            cursor = 0
        while cursor < revision:
            with self._db.read() as session:
                changes = changes_since(session, cursor)
            writer.apply(changes.changed, changes.gone, changes.revision)
            if changes.revision == cursor:
                break
            cursor = changes.revision
        if wanted:
            request.unlink(missing_ok=True)
        return cursor

    @contextmanager
    def _writer(self) -> Iterator[tuple[IndexWriter, int]]:
        index = open_index(self._root)
        writer = IndexWriter(index)
        try:
            yield writer, read_cursor(index)
        finally:
            writer.close()

    @contextmanager
    def _locked(self) -> Iterator[bool]:
        self._root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._root / "writer.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                held = True
            except BlockingIOError:
                held = False
            yield held
        finally:
            os.close(descriptor)
