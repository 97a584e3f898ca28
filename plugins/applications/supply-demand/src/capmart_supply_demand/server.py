"""Puts the actions and the page on HTTP, on ``CAPMART_PORT`` of the loopback address."""

from __future__ import annotations

from pathlib import Path

from capmart_component.web import serve
from capmart_supply_demand import rules

PAGES = Path(__file__).with_name("pages")


def main() -> None:
    """Serve until the process ends."""
    serve(rules, PAGES)


if __name__ == "__main__":
    main()
