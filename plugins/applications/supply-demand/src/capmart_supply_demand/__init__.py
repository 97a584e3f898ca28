"""Matches demands with offers (供需撮合) by linear assignment, as a small web application."""

import os

# Assignment itself is single-threaded; without this the linear algebra library starts a thread per processor at import.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
