"""The process runner: no isolation. For an author's own code, and for what the operator trusts like their own.

The guest is the same as in a container, so calls, limits on output and time, and errors are the same too; what is
missing is everything that a container keeps a component from doing.
"""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from capmart_core.errors import EngineUnavailable, NotIsolated
from capmart_core.manifest.models import PythonDelivery
from capmart_core.metrics import Metric
from capmart_core.ports.runner import Instance, Json, Runner, RunnerInfo, RunSpec
from capmart_sandbox.admission import Admission
from capmart_sandbox.base_tree import DESCRIBE_MODULES, module_path, runtime_here
from capmart_sandbox.box import Box, Ended
from capmart_sandbox.concurrent import ConcurrentInstance
from capmart_sandbox.guest.system import descendants
from capmart_sandbox.http_instance import HttpInstance
from capmart_sandbox.instances import CallInstance
from capmart_sandbox.layers import layer_of
from capmart_sandbox.rendezvous import Door, private_folder, sweep_folders
from capmart_sandbox.settings import SandboxSettings
from capmart_sandbox.specs import (
    check_runtime,
    described,
    http_of,
    namespace_of,
    order_for,
    result_max,
    thread_environment,
)
from capmart_sandbox.wire import Wire

_log = logging.getLogger("capmart.sandbox")

AUTHOR = "author"
"""The tenant under which a developer's own code runs on the developer's own machine, without being named as trusted."""

_HELLO_S = 30.0
# Loads the guest and the component SDK from where they are, without showing a component what else is installed there.
_BOOT = """
import importlib.util, sys
for name, folder in (("capmart_component", sys.argv[1]), ("capmart_guest", sys.argv[2])):
    spec = importlib.util.spec_from_file_location(name, folder + "/__init__.py", submodule_search_locations=[folder])
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])
from capmart_guest.main import main
main(sys.argv[3:])
"""


class ProcessRunner(Runner):
    """Runs components as processes of this user. They can do what this user can do.

    Args:
        settings: read from the environment when None.
    """

    name: ClassVar[str] = "process"

    def __init__(self, settings: SandboxSettings | None = None) -> None:
        self._settings = settings or SandboxSettings.load()
        self._instances: list[Instance] = []
        self._admission = Admission(self._settings.running_calls, self._settings.queue_timeout_s)
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._warned = False
        sweep_folders(self._settings.run_dir)
        atexit.register(self.close)

    def info(self) -> RunnerInfo:
        """No isolation; this interpreter's runtime."""
        detail = {
            "isolation": "none: components can do what this user can do",
            "process_namespaces": ", ".join(self._settings.process_namespaces) or "-",
            "python": sys.executable,
        }
        return RunnerInfo("none", runtime_here(), detail)

    def start(self, spec: RunSpec) -> Instance:
        """Start a trusted component; see the port.

        Raises:
            NotIsolated: its namespace is not trusted here.
            EngineUnavailable: it is an image, which only an engine can run.
        """
        self._check(spec)
        http = http_of(spec)
        instance: Instance
        if http is None:
            instance = ConcurrentInstance(
                spec,
                self._settings,
                self._admission,
                lambda: CallInstance(spec, self._settings, self._admission, lambda: self._launch(spec, "call")),
            )
        else:
            door = Door(self._settings.run_dir)
            instance = HttpInstance(
                spec, self._settings, self._admission, lambda: self._launch(spec, "http", door), door, http
            )
        with self._lock:
            self._instances.append(instance)
        return instance

    def describe(self, spec: RunSpec) -> list[dict[str, Json]]:
        """Import the component in a process of its own and return its actions; see the port.

        Raises:
            NotIsolated: its namespace is not trusted here, and it is not an author's own code.
        """
        self._check(spec)
        box = self._launch(spec, "describe")
        try:
            return described(box, spec, self._settings.describe_timeout_s)
        finally:
            box.destroy()
            box.wire.close()

    def metrics(self) -> Sequence[Metric]:
        """What became of the calls, and what runs; see the port."""
        return self._admission.metrics()

    def close(self) -> None:
        """End every instance."""
        atexit.unregister(self.close)
        if os.getpid() != self._pid:
            return  # a forked copy of the process that owns them
        with self._lock:
            instances, self._instances = self._instances, []
        for instance in instances:
            instance.close()

    def _check(self, spec: RunSpec) -> None:
        if not isinstance(spec.delivery, PythonDelivery):
            raise EngineUnavailable(reason=f"{spec.component} is a container image, and processes cannot run one")
        namespace = namespace_of(spec)
        if spec.tenant != AUTHOR and namespace not in self._settings.process_namespaces:
            raise NotIsolated(component=spec.component, namespace=namespace)
        check_runtime(spec, runtime_here())
        if not self._warned:
            _log.warning("components run as processes of this user, WITHOUT ISOLATION: trust their code like your own")
            self._warned = True

    def _launch(self, spec: RunSpec, mode: str, door: Door | None = None) -> Box:
        folder = private_folder(self._settings.run_dir)
        try:
            own = layer_of(spec.wheels[:1], self._settings, minor=sys.version_info.minor)
            locked = layer_of(spec.wheels[1:], self._settings, minor=sys.version_info.minor)
            paths = [str(path) for path in (own, locked) if path is not None]
            if mode == "describe":
                paths.append(str(_describe_folder(folder)))
            port = _free_port() if mode == "http" else 0
            environment = thread_environment(spec)
            if spec.files is not None:
                environment["CAPMART_FILES"] = str(spec.files.absolute())
            if port:
                environment["CAPMART_PORT"] = str(port)
            order = order_for(
                spec,
                self._settings,
                mode,
                paths=tuple(paths),
                tmp=str(folder / "tmp"),
                environment=environment,
                port=port,
                memory_mib=spec.limits.memory_mib,
            )
            box = _ProcessBox(spec, self._settings, folder, result_max(spec, mode))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        try:
            listener = None if door is None else door.listener
            box.inject(order, listener, hello_s=_HELLO_S, ready_s=self._settings.start_timeout_s)
        except BaseException:
            box.destroy()
            box.wire.close()
            raise
        return box


class _ProcessBox(Box):
    def __init__(self, spec: RunSpec, settings: SandboxSettings, folder: Path, largest: int) -> None:
        self._folder = folder
        tmp = folder / "tmp"
        tmp.mkdir(mode=0o700)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        ours.setblocking(False)  # noqa: FBT003 - the socket module's own signature
        wire = Wire(ours, result_max=largest)
        super().__init__(
            spec.component, wire, kill_grace_s=settings.kill_grace_ms / 1000, log_max=settings.log_kib * 1024
        )
        component, guest = module_path("capmart_component"), Path(__file__).parent / "guest"
        with theirs:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", "-B", "-X", "utf8", "-c", _BOOT),
                    *(str(component), str(guest), "fd", str(theirs.fileno())),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env={"PATH": os.defpath, "LANG": "C.UTF-8", "HOME": str(tmp), "TMPDIR": str(tmp)},
                cwd=tmp,
                start_new_session=True,
            )

    def alive(self) -> bool:
        return self._process.poll() is None

    def autopsy(self) -> Ended:
        try:
            code = self._process.wait(0.5)
        except subprocess.TimeoutExpired:
            return Ended("crashed", "its process went silent", "其进程失去响应")
        if code < 0:
            name = signal.Signals(-code).name
            return Ended("crashed", f"its process was ended by signal {name}", f"其进程被信号 {name} 终止")
        return Ended("crashed", f"its process ended with exit code {code}", f"其进程以退出码 {code} 结束")

    def destroy(self) -> None:
        self.wire.hang_up()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(0.05)  # a guest that is well sweeps what it started and ends when the host is gone
        while self._process.poll() is None:
            for pid in [*reversed(descendants(self._process.pid)), self._process.pid]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(0.5)
        shutil.rmtree(self._folder, ignore_errors=True)


def _describe_folder(folder: Path) -> Path:
    """What makes schemas, and nothing else of this environment."""
    made = folder / "describe"
    made.mkdir()
    for name in DESCRIBE_MODULES:
        path = module_path(name)
        (made / path.name).symlink_to(path)
    return made


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
