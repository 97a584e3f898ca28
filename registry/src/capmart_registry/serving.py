"""Serving a center: granian in front of the application, processes as the settings say."""

from __future__ import annotations

import logging
import os
import sys

from granian import Granian
from granian.constants import Interfaces, Loops

from capmart_registry import schema
from capmart_registry.center import Center
from capmart_registry.settings import PREFIX, CenterSettings

BACKLOG = 8192
"""Connections that one process holds at once, so that thousands of waiting polls refuse nobody."""


def serve(settings: CenterSettings) -> None:
    """Listen and serve until told to stop (SIGTERM, SIGINT); requests under way are finished.

    Raises:
        SchemaMismatch: the database is older or newer than this program.
        SettingsInvalid: a part of the center is missing.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    center = Center(settings)
    schema.check(center.db)
    center.signer.public  # noqa: B018 - a missing key is told here, not by the first request
    center.close()
    os.environ[f"{PREFIX}DATA"] = str(settings.data.absolute())  # how the serving processes know which center
    Granian(
        "capmart_registry.app:create_app",
        address=settings.listen_host,
        port=settings.listen_port,
        interface=Interfaces.ASGI,
        workers=settings.processes,
        loop=Loops.auto,
        factory=True,
        backlog=BACKLOG,
        backpressure=BACKLOG,
        log_access=settings.access_log,
        websockets=False,
        respawn_failed_workers=True,
    ).serve()
