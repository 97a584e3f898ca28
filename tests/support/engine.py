"""The Docker engine of this machine, if one answers."""

from __future__ import annotations

import functools

import docker
from docker.errors import DockerException


@functools.cache
def engine_missing() -> str | None:
    """Why no Docker engine can be used; None when one answers."""
    try:
        client = docker.from_env(timeout=5)
        try:
            client.ping()
        finally:
            client.close()
    except (DockerException, OSError) as error:
        return f"no Docker engine answers: {error}"
    return None
