"""Reading the index, from any process; what the writer committed is seen within a moment."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import tantivy

from capmart_registry.search.index import SearchAnswer, SearchQuery, ask, open_index, read_cursor

RELOAD_EVERY_S = 0.2


class SearchReader:
    """The index as this process sees it. Safe to use from several threads.

    Args:
        root: folder of the index (``settings.search_path``).
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._index: tantivy.Index | None = None
        self._reloaded = 0.0

    def ask(self, query: SearchQuery) -> SearchAnswer:
        """Answer a query."""
        return ask(self._fresh(), query)

    def cursor(self) -> int:
        """The catalog's revision that the index has reached."""
        return read_cursor(self._fresh())

    def _fresh(self) -> tantivy.Index:
        with self._lock:
            if self._index is None:
                self._index = open_index(self._root)
                self._reloaded = time.monotonic()
            elif time.monotonic() - self._reloaded >= RELOAD_EVERY_S:
                self._index.reload()
                self._reloaded = time.monotonic()
            return self._index
