"""Which runner describes and tries a component on the author's machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from capmart_core.ports.runner import Runner
from capmart_sdk.runners import open_runner

TENANT = "author"
"""The tenant under which the process runner runs a developer's own code without asking whose it is."""


@contextmanager
def opened_when_needed(name: str | None) -> Iterator[Callable[[], Runner]]:
    """Give a function that opens the runner ``name`` at its first call; what was opened is closed at the end."""
    opened: list[Runner] = []

    def source() -> Runner:
        if not opened:
            opened.append(open_runner(name))
        return opened[0]

    try:
        yield source
    finally:
        for runner in opened:
            runner.close()
