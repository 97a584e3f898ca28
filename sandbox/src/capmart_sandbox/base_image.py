"""The base image: pulled where a reference is set and can be pulled, otherwise made from this machine's own Python."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import sys
import tarfile
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass

from docker import APIClient
from docker.errors import APIError, DockerException, ImageNotFound

from capmart_core.errors import BaseImageUnavailable, EngineUnavailable, InvalidIdentifier, StoreFull
from capmart_core.identifiers import Runtime
from capmart_sandbox.base_tree import DESCRIBE, LIBRARY, PYTHON, runtime_here, tree_key, write_tree
from capmart_sandbox.guest import framing
from capmart_sandbox.settings import SandboxSettings

REPOSITORY = "capmart/base"
RUNTIME_LABEL = "dev.capmart.runtime"
PROTOCOL_LABEL = "dev.capmart.protocol"
ENVIRONMENT_LABEL = "dev.capmart.environment"
ENTRY = f"import sys; sys.path.append({LIBRARY!r}); from capmart_guest.main import main; main(sys.argv[1:])"

_log = logging.getLogger("capmart.sandbox")
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class BaseImage:
    """An image that is in the engine and speaks this host's protocol.

    Attributes:
        id: the image itself, so that a tag that moves meanwhile changes nothing.
        reference: what it is called.
        origin: ``pulled`` or ``made here``.
    """

    id: str
    reference: str
    runtime: Runtime
    origin: str


def ensure_base_image(client: APIClient, settings: SandboxSettings) -> BaseImage:
    """The base image, pulled or made when the engine does not have it; one process at a time does that.

    Raises:
        BaseImageUnavailable: it can neither be pulled nor made, or it is not a base image of this version.
        EngineUnavailable: the engine stopped answering.
    """
    try:
        if settings.base_image:
            try:
                return _pulled(client, settings)
            except BaseImageUnavailable as error:
                if not settings.build_base:
                    raise
                _log.warning("%s; a base image is made from this machine's Python instead", error)
        elif not settings.build_base:
            raise BaseImageUnavailable(image="-", reason="no reference is set, and building one is switched off")
        return _made(client, settings)
    except DockerException as error:
        raise EngineUnavailable(reason=error) from error


def _pulled(client: APIClient, settings: SandboxSettings) -> BaseImage:
    reference = settings.base_image
    found = _find(client, reference, "pulled")
    if found is None:
        try:
            client.pull(reference)
        except (APIError, OSError) as error:
            raise BaseImageUnavailable(image=reference, reason=error) from error
        found = _find(client, reference, "pulled")
    if found is None:
        raise BaseImageUnavailable(image=reference, reason="it was pulled, but the engine does not have it")
    return found


def _made(client: APIClient, settings: SandboxSettings) -> BaseImage:
    reference = f"{REPOSITORY}:{tree_key()}"
    found = _find(client, reference, "made here")
    if found is not None:
        return found
    settings.cache.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time, (settings.cache / "base.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = _find(client, reference, "made here")
        if found is None:
            _make(client, settings, reference)
            found = _find(client, reference, "made here")
    if found is None:
        raise BaseImageUnavailable(image=reference, reason="it was imported, but the engine does not have it")
    return found


def _find(client: APIClient, reference: str, origin: str) -> BaseImage | None:
    try:
        found = client.inspect_image(reference)  # type: ignore[no-untyped-call]
    except ImageNotFound:
        return None
    labels = found["Config"].get("Labels") or {}
    try:
        runtime = Runtime.parse(labels.get(RUNTIME_LABEL, ""))
    except InvalidIdentifier as error:
        raise BaseImageUnavailable(image=reference, reason=f"it has no label {RUNTIME_LABEL}") from error
    if labels.get(PROTOCOL_LABEL) != str(framing.VERSION):
        reason = f"its guest speaks protocol {labels.get(PROTOCOL_LABEL)}, not {framing.VERSION}"
        raise BaseImageUnavailable(image=reference, reason=reason)
    return BaseImage(found["Id"], reference, runtime, origin)


def _make(client: APIClient, settings: SandboxSettings, reference: str) -> None:
    _log.info("making the base image %s from this machine's Python", reference)
    try:
        with tempfile.NamedTemporaryFile(dir=settings.cache) as archive:
            with tarfile.open(fileobj=archive, mode="w") as tree:
                write_tree(tree)
            archive.flush()
            repository, _, tag = reference.rpartition(":")
            client.import_image_from_file(archive.name, repository=repository, tag=tag, changes=_changes())
            _remove_superseded(client, reference)
    except OSError as error:
        raise StoreFull(store=settings.cache, reason=error) from error


def _remove_superseded(client: APIClient, reference: str) -> None:
    """Images that this very environment made before it changed; one that is in use stays until next time."""
    label = f"{ENVIRONMENT_LABEL}={_environment()}"
    for image in client.images(name=REPOSITORY, filters={"label": label}):
        for tag in image.get("RepoTags") or ():
            if tag != reference:
                with suppress(APIError):
                    client.remove_image(tag)


def _environment() -> str:
    return hashlib.sha256(f"{sys.prefix}\n{os.getuid()}".encode()).hexdigest()[:20]


def _changes() -> list[str]:
    return [
        f'LABEL {RUNTIME_LABEL}="{runtime_here()}" {PROTOCOL_LABEL}="{framing.VERSION}"',
        f'LABEL {ENVIRONMENT_LABEL}="{_environment()}"',
        "ENV LANG=C.UTF-8 HOME=/tmp PATH=/opt/python/bin",
        "USER 65534:65534",
        "WORKDIR /tmp",
    ]


def guest_command(*address: str) -> list[str]:
    """How the guest is started in a base image: isolated, without ``site``, so that only what is injected is loaded."""
    return [PYTHON, "-I", "-S", "-B", "-X", "utf8", "-c", ENTRY, *address]


__all__ = ["DESCRIBE", "BaseImage", "ensure_base_image", "guest_command"]
