"""``python -m tests.benchmarks AREA [--scale small|full]``: prints a table, writes ``bench-results/AREA.json``."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path

from capmart_core.errors import CapmartError
from tests.benchmarks.center import measure as center
from tests.benchmarks.federation import measure as federation
from tests.benchmarks.figures import Figure, save, table
from tests.benchmarks.sandbox import measure as sandbox
from tests.benchmarks.search import measure as search

AREAS: dict[str, Callable[[str], list[Figure]]] = {
    "sandbox": sandbox,
    "center": center,
    "search": search,
    "federation": federation,
}


def main() -> int:
    """Returns 0 when every goal holds, 1 when one does not, and an error's own code when it could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("area", choices=sorted(AREAS), nargs="?", default="sandbox")
    parser.add_argument("--scale", choices=("small", "full"), default="full")
    options = parser.parse_args()
    try:
        figures = AREAS[options.area](options.scale)
    except CapmartError as error:
        print(error, error.advice("en"), sep="\n", file=sys.stderr)  # noqa: T201 - a command line
        return error.exit_code
    print(table(figures))  # noqa: T201 - same
    machine = f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}"
    save(figures, Path("bench-results") / f"{options.area}.json", area=options.area, scale=options.scale, on=machine)
    return 1 if any(one.holds is False for one in figures) else 0


if __name__ == "__main__":
    raise SystemExit(main())
