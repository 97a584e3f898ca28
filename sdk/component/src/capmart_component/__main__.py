"""``python -m capmart_component MODULE`` prints the actions of an installed module as manifest JSON. Needs pydantic."""

from __future__ import annotations

import importlib
import json
import sys

from capmart_component import describe


def main(arguments: list[str]) -> int:
    """Print the actions of the module named; returns the exit code."""
    if len(arguments) != 1:
        sys.stderr.write("usage / 用法: python -m capmart_component MODULE\n")
        return 2
    json.dump(describe(importlib.import_module(arguments[0])), sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
