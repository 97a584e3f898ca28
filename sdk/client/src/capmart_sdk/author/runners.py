"""Which runner describes and tries a component on the author's machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

from capmart_core.drivers import RUNNERS, load_driver
from capmart_core.errors import DriverNotFound, Unavailable
from capmart_core.ports.runner import Runner
from capmart_sdk.console import t, warn

TENANT = "author"
"""The tenant under which the process runner runs a developer's own code without asking whose it is."""


def author_runner(name: str | None = None) -> Runner:
    """The runner ``name``, or the one that ``CAPMART_RUNNER`` names; otherwise docker, or processes where no engine is.

    Raises:
        DriverNotFound: there is no such runner.
        EngineUnavailable: it was named, and no engine answers.
    """
    wanted = name or os.environ.get("CAPMART_RUNNER") or ""
    if wanted:
        return cast("Runner", load_driver(RUNNERS, wanted))
    try:
        runner = cast("Runner", load_driver(RUNNERS, "docker"))
        runner.info()
    except (DriverNotFound, Unavailable) as error:
        warn(
            t(
                "No container engine ({reason}): the component's code runs as an ordinary process, WITHOUT ISOLATION.",
                "没有容器引擎（{reason}）：组件代码将以普通进程运行，没有隔离。",
                reason=error.message("en"),
            )
        )
        return cast("Runner", load_driver(RUNNERS, "process"))
    return runner


@contextmanager
def opened_when_needed(name: str | None) -> Iterator[Callable[[], Runner]]:
    """Give a function that opens the runner ``name`` at its first call; what was opened is closed at the end."""
    opened: list[Runner] = []

    def source() -> Runner:
        if not opened:
            opened.append(author_runner(name))
        return opened[0]

    try:
        yield source
    finally:
        for runner in opened:
            runner.close()
