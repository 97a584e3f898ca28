"""Every blob driver is run through the same suite; a new driver adds itself to ``STORES``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from capmart_core.blobs import FolderBlobs
from capmart_core.ports.blobs import BlobStore

STORES: dict[str, Callable[[Path], BlobStore]] = {"folder": lambda path: FolderBlobs(path / "blobs")}


@pytest.fixture(params=sorted(STORES))
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], BlobStore]:
    """Open the same store, as another process would."""
    return lambda: STORES[request.param](tmp_path)


@pytest.fixture
def store(reopen: Callable[[], BlobStore]) -> BlobStore:
    return reopen()
