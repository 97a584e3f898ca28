"""Whether the center was told to stop, known to each of its serving processes.

They are forked from the one that is told, and share this.
"""

from __future__ import annotations

import multiprocessing

requested = multiprocessing.get_context("fork").Event()
