"""How often a fault is injected."""

from __future__ import annotations

import os


def loops(full: int) -> range:
    """Rounds of a fault loop: a tenth of ``full`` (at least one), or all of it under ``make test-full``."""
    return range(full if os.environ.get("CAPMART_TEST_LOOPS") == "full" else max(1, full // 10))
