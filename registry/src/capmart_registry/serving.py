"""Serving a center: granian in front of the application, processes as the settings say."""

from __future__ import annotations

import errno
import logging
import os
import socket
import sys
from typing import Any

from granian import Granian
from granian.constants import Interfaces, Loops

from capmart_core.errors import SettingsInvalid
from capmart_registry import schema, stopping
from capmart_registry.center import Center
from capmart_registry.settings import PREFIX, CenterSettings

BACKLOG = 8192
"""Connections that one process holds at once, so that thousands of waiting polls refuse nobody."""


def serve(settings: CenterSettings) -> None:
    """Listen and serve until told to stop (SIGTERM, SIGINT); requests under way are finished.

    Raises:
        SchemaMismatch: the database is older or newer than this program.
        SettingsInvalid: a part of the center is missing, or another program listens on its port.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    center = Center(settings)
    schema.check(center.db)
    center.signer.public  # noqa: B018 - a missing key is told here, not by the first request
    center.close()
    _check_port(settings)
    os.environ[f"{PREFIX}DATA"] = str(settings.data.absolute())  # how the serving processes know which center
    _Server(
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


class _Server(Granian):  # type: ignore[misc, valid-type]  # which class it is depends on how Python was built
    """Tells its processes that the end is near, so that waiting polls are answered and do not hold it up."""

    def signal_handler_interrupt(self, *args: Any, **kwargs: Any) -> None:
        """What SIGTERM and SIGINT do."""
        stopping.requested.set()
        super().signal_handler_interrupt(*args, **kwargs)


def _check_port(settings: CenterSettings) -> None:
    """Refuse a port that is taken: the server's own processes share theirs, so it would share it with a stranger."""
    family = socket.AF_INET6 if ":" in settings.listen_host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does; only listeners count
        try:
            probe.bind((settings.listen_host, settings.listen_port))
        except OSError as error:
            name = "listen_port" if error.errno == errno.EADDRINUSE else "listen_host"
            raise SettingsInvalid(name=name, reason=error.strerror or str(error)) from error
