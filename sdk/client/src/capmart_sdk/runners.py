"""Which runner is used on this machine, for authors and nodes alike."""

from __future__ import annotations

import os
from typing import cast

from capmart_core.drivers import RUNNERS, load_driver
from capmart_core.errors import DriverNotFound, Unavailable
from capmart_core.ports.runner import Runner
from capmart_sdk.console import t, warn

AUTO = "auto"


def open_runner(name: str | None = None) -> Runner:
    """The runner ``name``, or that of ``CAPMART_RUNNER``; ``auto`` is docker, or processes without an engine.

    Raises:
        DriverNotFound: there is no such runner.
        EngineUnavailable: it was named, and no engine answers.
    """
    wanted = name or os.environ.get("CAPMART_RUNNER") or AUTO
    if wanted != AUTO:
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
