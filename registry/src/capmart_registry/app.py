"""The center's web application."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio.to_thread
from fastapi import APIRouter, FastAPI

from capmart_registry import __version__, middleware, problems, schema
from capmart_registry.accounts import routes as accounts
from capmart_registry.artifacts import routes as artifacts
from capmart_registry.catalog import routes as catalog
from capmart_registry.center import Center
from capmart_registry.log import routes as log
from capmart_registry.log import service as log_service
from capmart_registry.log.tail import Tail
from capmart_registry.portal import routes as portal
from capmart_registry.search.writer import SearchWriter
from capmart_registry.settings import load_settings
from capmart_registry.submissions import routes as submissions

THREADS = 80
"""Most requests of one process that are in a thread, and so at the database or the blob store, at once."""


def routers() -> tuple[APIRouter, ...]:
    """Every feature's routes, in the order in which they are matched."""
    return (accounts.router, catalog.router, submissions.router, log.router, artifacts.router, *portal.ROUTERS)


def create_app(center: Center | None = None) -> FastAPI:
    """Build the application.

    Args:
        center: the one named by ``CAPMART_CENTER_DATA`` when None; that is how the server's processes call it.

    Raises:
        SettingsInvalid: a setting cannot work.
        SchemaMismatch: the database is older or newer than this program.
    """
    center = center or Center(load_settings())
    schema.check(center.db)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        await anyio.to_thread.run_sync(log_service.publish_checkpoint, center)
        stop = threading.Event()
        writer = threading.Thread(
            target=SearchWriter(center.db, center.settings.search_path).run, args=(stop,), name="search", daemon=True
        )
        writer.start()
        try:
            async with Tail(center) as tail:
                app.state.tail = tail
                yield
        finally:
            stop.set()
            await anyio.to_thread.run_sync(writer.join, 10)
            center.close()

    logging.getLogger("capmart").setLevel(logging.INFO)
    app = FastAPI(
        title="Capmart center",
        summary="Open capability center for industry brains",
        version=__version__,
        lifespan=lifespan,
        openapi_url="/api/openapi.json",
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
    )
    app.state.center = center
    app.add_middleware(middleware.RequestGuard, max_body_bytes=center.settings.max_body_bytes)
    problems.install(app)
    portal.mount(app)
    for router in routers():
        app.include_router(router)
    return app
