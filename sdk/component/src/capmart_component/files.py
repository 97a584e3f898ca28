"""Where a component finds the data files of its package."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_DEFAULT = "/capmart/files"


def files_dir() -> Path:
    """The folder of the component's data files (``[[files]]`` in ``capmart.toml``), mounted read-only.

    It is ``/capmart/files`` unless the environment variable ``CAPMART_FILES`` names another, as an author's tests do.
    """
    from pathlib import Path  # noqa: PLC0415 -- 3 ms that most components never need

    return Path(os.environ.get("CAPMART_FILES", _DEFAULT))
