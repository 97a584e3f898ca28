"""Boxes that are containers: started through the engine's API, watched, ended and removed."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import requests
from docker import APIClient
from docker.errors import APIError, DockerException, ImageNotFound, NotFound

from capmart_core.errors import EngineUnavailable, StoreFull
from capmart_sandbox.attached import AttachedLine
from capmart_sandbox.box import Box, Ended
from capmart_sandbox.owners import OWNER_LABEL, owner_is_gone, this_owner
from capmart_sandbox.rendezvous import Rendezvous
from capmart_sandbox.settings import SandboxSettings
from capmart_sandbox.wire import Wire

_log = logging.getLogger("capmart.sandbox")

HELLO_S = 60.0
"""Time for a container to start and its guest to report: the engine's pace, not the component's."""

OWN_FOLDER = "own"
"""Where the code of a component lies whose box was there before it."""

_POST_MORTEM_S = 3
_KILLED = 137
_LOG_LINES = 200

EngineFailure = (DockerException, requests.exceptions.RequestException, OSError)
"""What the client raises when the engine refuses, is gone or does not answer in time."""


class Container:
    """One container of ours, from its creation to its removal by the engine.

    Args:
        client: of the engine.
        labels: what it is, beside whose it is.
        image: its id.
        host: the hardened host configuration.
        options: further arguments of ``create_container``.
    """

    def __init__(
        self, client: APIClient, labels: Mapping[str, str], image: str, host: dict[str, Any], **options: Any
    ) -> None:
        self._client = client
        try:
            made = client.create_container(
                image,
                host_config=host,
                labels={OWNER_LABEL: this_owner(), **labels},
                name=f"capmart-{secrets.token_hex(8)}",
                healthcheck={"test": ["NONE"]},
                **options,
            )
        except EngineFailure as error:
            raise engine_error(error) from error
        self.id = str(made["Id"])
        self._removed = False

    def start(self) -> None:
        """Let it run.

        Raises:
            EngineUnavailable, StoreFull: the engine could not.
        """
        try:
            self._client.start(self.id)
        except EngineFailure as error:
            self.remove()
            raise engine_error(error) from error

    def attach(self) -> Any:
        """Its standard streams; to be called before :meth:`start`, which would lose what it writes first."""
        try:
            return self._client.attach_socket(self.id, {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
        except EngineFailure as error:
            self.remove()
            raise engine_error(error) from error

    def running(self) -> bool:
        """Whether the engine says so; a container that ended is removed at once."""
        try:
            state: bool = self._client.inspect_container(self.id)["State"]["Running"]
        except NotFound:
            return False
        except EngineFailure:
            return True  # not known: the deadline of whoever waits decides
        return state

    def ended(self) -> Ended:
        """Why it ended, asked in the moments before the engine removes it."""
        code: int | None = None
        with suppress(*EngineFailure):
            code = int(self._client.wait(self.id, timeout=_POST_MORTEM_S)["StatusCode"])
        if code == _KILLED:
            # Nobody but the kernel's memory killer does that unasked, and process 1 is what it takes last.
            return Ended("oom", "it used more memory than its limit", "内存超出上限")
        if code is None:
            return Ended("crashed", "its container ended", "其容器已结束")
        return Ended("crashed", f"its container ended with exit code {code}", f"其容器以退出码 {code} 结束")

    def log(self) -> bytes:
        """The end of what the engine kept of its output."""
        with suppress(*EngineFailure):
            data: bytes = self._client.logs(self.id, tail=_LOG_LINES)
            return data
        return b""

    def remove(self) -> None:
        """Kill and remove it; twice is harmless. The engine may be removing it by itself."""
        if self._removed:
            return
        self._removed = True
        try:
            self._client.remove_container(self.id, force=True, v=True)
        except NotFound:
            pass
        except APIError as error:
            if error.status_code != 409:  # removal is under way already
                _log.warning("container %s could not be removed: %s", self.id[:12], error)
        except EngineFailure as error:
            _log.warning("container %s could not be removed: %s", self.id[:12], error)


class ContainerBox(Box):
    """One guest in one container, or a component's image with a guest beside it.

    Args:
        component: for messages.
        settings: of the runner.
        wire: to the guest.
        containers: all of it; the first is the one whose end says why.
        rendezvous: the folder to remove in the end, if there is one.
    """

    def __init__(
        self,
        component: str,
        settings: SandboxSettings,
        wire: Wire,
        containers: Sequence[Container],
        rendezvous: Rendezvous | None,
    ) -> None:
        grace, log_max = settings.kill_grace_ms / 1000, settings.log_kib * 1024
        super().__init__(component, wire, kill_grace_s=grace, log_max=log_max)
        self.containers, self._rendezvous, self._keeps_log = list(containers), rendezvous, False
        self._destroying = threading.Lock()

    def becomes(self, component: str, result_max: int, own: Path) -> None:
        """What waited is a component's from now on; its code appears in the folder that the guest sees.

        Args:
            component: for messages.
            result_max: bytes of its largest answer.
            own: folder with its wheel unpacked.
        """
        assert self._rendezvous is not None  # noqa: S101 - a guest has one
        self._rendezvous.place(own, OWN_FOLDER)
        self.component, self.wire.result_max = component, result_max

    def joined_by(self, component: Container) -> Self:
        """The same box with the component's own container in it, whose end and log are the ones that matter."""
        self.containers.insert(0, component)
        self._keeps_log = True
        return self

    def alive(self) -> bool:
        """Whether every container runs."""
        return all(container.running() for container in self.containers)

    def autopsy(self) -> Ended:
        """What the first container's exit code says."""
        first = self.containers[0]
        if self._keeps_log:
            self.note(first.log())
        return first.ended()

    def log_tail(self) -> str:
        """The end of what it wrote."""
        if self._keeps_log and not self._tail:
            self.note(self.containers[0].log())
        return super().log_tail()

    def destroy(self) -> None:
        """Hang up, kill, remove."""
        with self._destroying:
            self.wire.hang_up()
            for container in reversed(self.containers):
                container.remove()
            if self._rendezvous is not None:
                self._rendezvous.close()


def attached_wire(container: Container, result_max: int, log: Any) -> Wire:
    """A wire over a container's standard streams."""
    return Wire(AttachedLine(container.attach(), log), result_max=result_max)


def sweep(client: APIClient) -> int:
    """Remove the containers of processes on this machine that are gone; how many there were."""
    found: Sequence[Mapping[str, Any]] = client.containers(all=True, filters={"label": OWNER_LABEL})
    orphans = [one["Id"] for one in found if owner_is_gone(one["Labels"].get(OWNER_LABEL, ""))]
    for orphan in orphans:
        with suppress(APIError):
            client.remove_container(orphan, force=True, v=True)
    return len(orphans)


def engine_error(error: Exception) -> EngineUnavailable | StoreFull:
    """What the engine's refusal means to the caller."""
    text = str(error)
    if "no space left" in text.lower():
        return StoreFull(store="the engine", reason=text)
    if isinstance(error, ImageNotFound):
        return EngineUnavailable(reason=f"an image vanished: {text}")
    return EngineUnavailable(reason=text)
