"""The docker runner: one hardened container per instance, reached through a Unix socket and nothing else."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import docker
from docker.errors import APIError, DockerException, NotFound
from docker.types import LogConfig, Ulimit
from docker.utils import kwargs_from_env

from capmart_core.canonical import parse_json
from capmart_core.errors import EngineUnavailable, StoreFull, Unhealthy
from capmart_core.identifiers import Runtime
from capmart_core.manifest.models import Http, ImageDelivery, Limits
from capmart_core.ports.runner import Instance, Json, Runner, RunnerInfo, RunSpec
from capmart_sandbox import images
from capmart_sandbox.base_image import DESCRIBE_PATH, PYTHON, ensure_base_image
from capmart_sandbox.box import Box, Meeting
from capmart_sandbox.instances import BoxInstance, CallInstance, Door, HttpInstance
from capmart_sandbox.layers import layer_of
from capmart_sandbox.owners import OWNER_LABEL, owner_is_gone, this_owner
from capmart_sandbox.settings import load_settings
from capmart_sandbox.specs import check_runtime, describe_in, http_of, order_for

_log = logging.getLogger("capmart.sandbox")

USER = "65534:65534"
OWN, LOCKED, FILES, MEETING, DOOR = "/capmart/own", "/capmart/lock", "/capmart/files", "/run/capmart", "/run/door"
_SIDECAR = Limits(memory_mib=64, cpus=0.5, pids=16, tmp_mib=1)
_LOG_TAIL = 100


class DockerRunner(Runner):
    """Runs components in containers of the engine that ``DOCKER_HOST`` names, the local one by default."""

    name: ClassVar[str] = "docker"

    def __init__(self) -> None:
        self._settings = load_settings()
        self._instances: list[BoxInstance] = []
        self._base: tuple[str, Runtime] | None = None
        try:
            self._client = docker.APIClient(
                timeout=int(self._settings.engine_timeout_s), num_pools=32, **_environment()
            )
            self._version = self._client.version()
        except (DockerException, OSError) as error:
            raise EngineUnavailable(reason=error) from error
        self._sweep()
        atexit.register(self.close)

    def info(self) -> RunnerInfo:
        """Container isolation and the base image's runtime; see the port."""
        reference, runtime = self._base_image()
        engine = self._client.info()
        detail = {
            "engine": str(self._version["Version"]),
            "api": str(self._version["ApiVersion"]),
            "base_image": reference,
            "security": ", ".join(engine.get("SecurityOptions") or ()) or "-",
            "cgroup": str(engine.get("CgroupVersion", "1")),
        }
        return RunnerInfo("container", runtime, detail)

    def start(self, spec: RunSpec) -> Instance:
        """Start an instance; see the port."""
        http = http_of(spec)
        instance: BoxInstance
        if http is None:
            check_runtime(spec, self._base_image()[1])
            instance = CallInstance(spec, lambda: self._python_box(spec, "calls"))
        else:
            door = Door()
            if isinstance(spec.delivery, ImageDelivery):
                instance = HttpInstance(spec, lambda: self._image_box(spec, http, door), door)
            else:
                check_runtime(spec, self._base_image()[1])
                instance = HttpInstance(spec, lambda: self._python_box(spec, "http", door), door)
        self._instances.append(instance)
        return instance

    def describe(self, spec: RunSpec) -> list[dict[str, Json]]:
        """Import the component in a container and return its actions; see the port."""
        check_runtime(spec, self._base_image()[1])
        limit = spec.limits.output_kib * 1024
        return describe_in(
            spec,
            lambda: self._python_box(spec, "describe"),
            lambda data: parse_json(data, what="description", max_bytes=limit + 1),
        )

    def close(self) -> None:
        """End every instance and give the engine's connections back."""
        while self._instances:
            with suppress(DockerException, OSError):
                self._instances.pop().close()
        self._client.close()
        atexit.unregister(self.close)

    def _base_image(self) -> tuple[str, Runtime]:
        if self._base is None:
            self._base = ensure_base_image(self._client, self._settings)
        return self._base

    def _python_box(self, spec: RunSpec, mode: str, door: Door | None = None) -> Box:
        reference, runtime = self._base_image()
        own = layer_of(spec.wheels[:1], self._settings.cache, minor=runtime.minor)
        locked = layer_of(spec.wheels[1:], self._settings.cache, minor=runtime.minor)
        mounts = {OWN: own, LOCKED: locked, FILES: spec.files, DOOR: door.inner if door else None}
        order = order_for(
            spec,
            mode,
            paths=tuple(path for path, folder in ((OWN, own), (LOCKED, locked)) if folder is not None),
            files=FILES,
            init_s=self._settings.init_s,
            describe_paths=(DESCRIBE_PATH,),
            data_socket=f"{DOOR}/data.sock",
        )
        box = _ContainerBox(self._client, spec.component)
        box.start_guest(reference, spec.limits, mounts)
        box.connect(order)
        return box

    def _image_box(self, spec: RunSpec, http: Http, door: Door) -> Box:
        """The component's own image, and beside it a guest in the same, empty, network that carries connections."""
        if spec.image is None:
            raise Unhealthy(component=spec.component, reason="its image is not installed")
        image = images.load(self._client, spec.image)
        reference, _ = self._base_image()
        order = order_for(
            spec, "http", paths=(), files=FILES, init_s=self._settings.init_s, data_socket=f"{DOOR}/data.sock"
        )
        box = _ContainerBox(self._client, spec.component)
        environment = {"CAPMART_PORT": str(http.port), "CAPMART_FILES": FILES}
        box.start_image(image, spec.limits, {FILES: spec.files}, environment)
        box.start_guest(reference, _SIDECAR, {DOOR: door.inner}, beside=box.containers[0])
        box.connect(order)
        return box

    def _sweep(self) -> None:
        """Remove containers whose owner on this machine is dead."""
        try:
            for found in self._client.containers(all=True, filters={"label": OWNER_LABEL}):
                if owner_is_gone(found["Labels"][OWNER_LABEL]):
                    with suppress(APIError):
                        self._client.remove_container(found["Id"], force=True)
        except DockerException as error:
            raise EngineUnavailable(reason=error) from error


class _ContainerBox(Box):
    """One container with a guest, or two: the component's image and a guest beside it."""

    def __init__(self, client: docker.APIClient, component: str) -> None:
        super().__init__(component, Meeting())
        self._client = client
        self.containers: list[str] = []

    def start_guest(
        self, image: str, limits: Limits, mounts: Mapping[str, Path | None], *, beside: str | None = None
    ) -> None:
        command = [PYTHON, "-s", "-S", "-B", "-m", "capmart_guest", f"{MEETING}/guest.sock"]
        network = f"container:{beside}" if beside else "none"
        self._start(image, limits, {**mounts, MEETING: self.meeting.folder}, network, command=command, user=USER)

    def start_image(
        self, image: str, limits: Limits, mounts: Mapping[str, Path | None], environment: Mapping[str, str]
    ) -> None:
        self._start(image, limits, mounts, "none", environment=dict(environment), user=USER)

    def _start(
        self, image: str, limits: Limits, mounts: Mapping[str, Path | None], network: str, **options: Any
    ) -> None:
        memory = limits.memory_mib * 1024 * 1024
        try:
            host = self._client.create_host_config(
                network_mode=network,
                read_only=True,
                cap_drop=["ALL"],
                security_opt=["no-new-privileges"],
                mem_limit=memory,
                memswap_limit=memory,
                nano_cpus=int(limits.cpus * 1e9),
                pids_limit=limits.pids,
                ipc_mode="none",
                ulimits=[Ulimit(name="nofile", soft=1024, hard=1024), Ulimit(name="core", soft=0, hard=0)],
                tmpfs={"/tmp": f"rw,noexec,nosuid,nodev,size={limits.tmp_mib}m,mode=1777"},  # noqa: S108 - in there
                binds={str(folder): {"bind": path, "mode": "ro"} for path, folder in mounts.items() if folder},
                log_config=LogConfig(type="local", config={"max-size": "64k", "max-file": "1", "compress": "false"}),
            )
            made = self._client.create_container(
                image, labels={OWNER_LABEL: this_owner()}, host_config=host, network_disabled=False, **options
            )
            self.containers.append(made["Id"])
            self._client.start(made["Id"])
        except (DockerException, OSError) as error:
            self.destroy()
            raise _engine_error(error) from error

    def running(self) -> bool:
        try:
            return all(self._client.inspect_container(one)["State"]["Running"] for one in self.containers)
        except (DockerException, OSError):
            return False

    def log_tail(self) -> str:
        with suppress(DockerException, OSError):
            return "\n".join(
                self._client.logs(one, tail=_LOG_TAIL).decode(errors="replace") for one in self.containers
            ).strip()
        return ""

    def _destroy(self) -> None:
        for one in reversed(self.containers):
            with suppress(NotFound):
                self._client.remove_container(one, force=True, v=True)
        self.containers.clear()


def _engine_error(error: Exception) -> EngineUnavailable | StoreFull:
    if "no space left" in str(error).lower():
        return StoreFull(store="the engine", reason=error)
    return EngineUnavailable(reason=error)


def _environment() -> dict[str, Any]:
    return {"version": "auto", **kwargs_from_env()}
