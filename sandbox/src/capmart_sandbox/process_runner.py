"""The process runner: no isolation. For a developer's own code, and for what the operator trusts as their own."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import ClassVar

from capmart_core.canonical import parse_json
from capmart_core.errors import NotAllowed, NotIsolated
from capmart_core.manifest.models import PythonDelivery
from capmart_core.ports.runner import Instance, Json, Runner, RunnerInfo, RunSpec
from capmart_sandbox.base_image import runtime_here
from capmart_sandbox.box import Box, Meeting
from capmart_sandbox.instances import BoxInstance, CallInstance, Door, HttpInstance
from capmart_sandbox.layers import layer_of
from capmart_sandbox.settings import load_settings
from capmart_sandbox.specs import check_runtime, describe_in, http_of, order_for, unpacked

_log = logging.getLogger("capmart.sandbox")

AUTHOR = "author"
"""The tenant of ``capmart check`` and ``capmart pack``: a developer's own code on the developer's own machine."""

_STOP_S = 2.0
_LOG_BYTES = 65_536


class ProcessRunner(Runner):
    """Runs components as processes of this user. They can do what this user can do."""

    name: ClassVar[str] = "process"

    def __init__(self) -> None:
        self._settings = load_settings()
        self._instances: list[BoxInstance] = []
        self._warned = False

    def info(self) -> RunnerInfo:
        """No isolation, this interpreter's runtime."""
        trusted = ", ".join(sorted(self._settings.trusted_namespaces)) or "-"
        return RunnerInfo("none", runtime_here(), {"process_namespaces": trusted, "python": sys.executable})

    def start(self, spec: RunSpec) -> Instance:
        """Start a trusted component; see the port.

        Raises:
            NotIsolated: its namespace is not trusted here.
        """
        self._check(spec)
        http = http_of(spec)
        instance: BoxInstance
        if http is None:
            instance = CallInstance(spec, lambda: self._launch(spec, "calls"))
        else:
            door = Door()
            instance = HttpInstance(spec, lambda: self._launch(spec, "http", str(door.inner / "data.sock")), door)
        self._instances.append(instance)
        return instance

    def describe(self, spec: RunSpec) -> list[dict[str, Json]]:
        """Import the component in a process of its own and return its actions; see the port."""
        self._check(spec)
        limit = spec.limits.output_kib * 1024
        return describe_in(
            spec,
            lambda: self._launch(spec, "describe"),
            lambda data: parse_json(data, what="description", max_bytes=limit + 1),
        )

    def close(self) -> None:
        """End every instance."""
        while self._instances:
            self._instances.pop().close()

    def _check(self, spec: RunSpec) -> None:
        if not isinstance(spec.delivery, PythonDelivery):
            raise NotAllowed(action=f"run {spec.component} without an engine", needed="a Docker engine")
        namespace = spec.component.partition("/")[0]
        if spec.tenant != AUTHOR and namespace not in self._settings.trusted_namespaces:
            raise NotIsolated(component=spec.component, namespace=namespace)
        check_runtime(spec, runtime_here())
        if not self._warned:
            _log.warning("components run as plain processes, without isolation: trust them as your own code")
            self._warned = True

    def _launch(self, spec: RunSpec, mode: str, data_socket: str = "") -> Box:
        minor = sys.version_info.minor
        own = layer_of(spec.wheels[:1], self._settings.cache, minor=minor)
        locked = layer_of(spec.wheels[1:], self._settings.cache, minor=minor)
        order = order_for(
            spec,
            mode,
            paths=unpacked(own) + unpacked(locked),
            files=str(spec.files or ""),
            init_s=self._settings.init_s,
            rlimit_bytes=0 if mode != "calls" else spec.limits.memory_mib * 1024 * 1024 + _ADDRESS_SPACE,
            data_socket=data_socket,
            port=_free_port() if mode == "http" else None,
        )
        box = _ProcessBox(spec.component)
        box.connect(order)
        return box


def _free_port() -> int:
    """A TCP port of the loopback interface that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


_ADDRESS_SPACE = 512 * 1024 * 1024
"""Room for what an interpreter and its libraries map but do not use; RLIMIT_AS counts it all the same."""


class _ProcessBox(Box):
    def __init__(self, component: str) -> None:
        super().__init__(component, Meeting())
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the box
        environment = {"PATH": os.defpath, "LANG": "C.UTF-8", "HOME": str(self.meeting.folder)}
        self._process = subprocess.Popen(
            [sys.executable, "-B", "-m", "capmart_sandbox.guest", str(self.meeting.folder / "guest.sock")],
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=self.meeting.folder,
            start_new_session=True,
        )

    def running(self) -> bool:
        return self._process.poll() is None

    def log_tail(self) -> str:
        size = self._output.seek(0, os.SEEK_END)
        self._output.seek(max(size - _LOG_BYTES, 0))
        return self._output.read().decode(errors="replace")

    def _destroy(self) -> None:
        try:
            self._process.wait(0.05)  # the guest ends by itself once the host is gone
        except subprocess.TimeoutExpired:
            for pid in _descendants(self._process.pid):
                _kill(pid)
        self._process.wait(_STOP_S)
        self._output.close()


def _descendants(pid: int) -> list[int]:
    """``pid`` and every process below it, children first."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(entry.read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        children.setdefault(parent, []).append(int(entry.parent.name))

    def below(one: int) -> list[int]:
        return [found for child in children.get(one, []) for found in below(child)] + [one]

    return below(pid)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
