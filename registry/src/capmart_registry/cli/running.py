"""``capmart center serve | worker | reindex``: the processes of a center."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from typing import Annotated

import typer

from capmart_registry import worker
from capmart_registry.cli.options import Data, open_center
from capmart_registry.search.writer import SearchWriter
from capmart_registry.serving import serve as serve_center
from capmart_registry.settings import load_settings
from capmart_sdk.console import say, t

app = typer.Typer()


@app.command(help=t("Serve the interface, the log, the artifacts and the portal", "提供接口、日志、制品与门户服务"))
def serve(*, data: Data = None) -> None:
    """Until it is told to stop."""
    serve_center(load_settings(data))


@app.command("worker", help=t("Run checks and follow upstreams", "执行检测并同步上级中心"))
def work(
    *,
    data: Data = None,
    once: Annotated[
        bool, typer.Option("--once", help=t("Do the checks that are due, then end", "完成到期检测后退出"))
    ] = False,
) -> None:
    """Until it is told to stop."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    stop = threading.Event()
    with open_center(data) as center:
        if once:
            done = worker.run_until_idle(center)
            say(t("{n} checks done", "已完成 {n} 项检测", n=done))
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        worker.run(center, stop)


@app.command(help=t("Make the search index anew from the catalog", "根据目录重建检索索引"))
def reindex(*, data: Data = None) -> None:
    """Here, or in the process that holds the index."""
    with open_center(data) as center:
        SearchWriter(center.db, center.settings.search_path).rebuild()
    say(t("The search index is new", "检索索引已重建"))
