"""The docker runner: one hardened container per instance, reached through a Unix socket and nothing else."""

from __future__ import annotations

import atexit
import logging
import os
import socket
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import docker
from docker.utils import kwargs_from_env

from capmart_core.errors import EngineUnavailable, InvalidPackage
from capmart_core.manifest.models import Http, ImageDelivery, Limits
from capmart_core.metrics import Metric
from capmart_core.ports.runner import Instance, Json, Runner, RunnerInfo, RunSpec
from capmart_sandbox import images, seccomp
from capmart_sandbox.admission import Admission
from capmart_sandbox.base_image import DESCRIBE, BaseImage, ensure_base_image, guest_command
from capmart_sandbox.box import Box
from capmart_sandbox.concurrent import ConcurrentInstance
from capmart_sandbox.containers import (
    HELLO_S,
    OWN_FOLDER,
    Container,
    ContainerBox,
    EngineFailure,
    attached_wire,
    sweep,
)
from capmart_sandbox.hardening import FILES, IO, LOCK, OWN, USER, host_config
from capmart_sandbox.http_instance import HttpInstance
from capmart_sandbox.instances import CallInstance
from capmart_sandbox.layers import is_small, layer_of
from capmart_sandbox.owners import COMPONENT_LABEL, TENANT_LABEL
from capmart_sandbox.pool import Pool
from capmart_sandbox.rendezvous import Door, Rendezvous, sweep_folders
from capmart_sandbox.settings import SandboxSettings
from capmart_sandbox.specs import check_runtime, described, http_of, order_for, result_max, thread_environment
from capmart_sandbox.wire import Wire

_log = logging.getLogger("capmart.sandbox")

_HUB = f"{IO}/hub.sock"
_BESIDE = Limits(memory_mib=64, cpus=0.5, pids=8, tmp_mib=1)
_CONNECTIONS = 64
_DEFAULT_SOCKET = "/var/run/docker.sock"


class DockerRunner(Runner):
    """Runs components in containers of the engine that ``DOCKER_HOST`` names, the local one by default.

    Args:
        settings: read from the environment when None.

    Attributes:
        pool: of containers started beforehand, once :meth:`prepare` was called.

    Raises:
        EngineUnavailable: no engine answers.
    """

    name: ClassVar[str] = "docker"

    def __init__(self, settings: SandboxSettings | None = None) -> None:
        self._settings = settings or SandboxSettings.load()
        self._instances: list[Instance] = []
        self._admission = Admission(self._settings.running_calls, self._settings.queue_timeout_s)
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._base: BaseImage | None = None
        self.pool: Pool | None = None
        address = _address()
        try:
            self._client = docker.APIClient(
                version="auto",
                timeout=round(self._settings.engine_timeout_s),
                num_pools=_CONNECTIONS,
                max_pool_size=_CONNECTIONS,
                **address,
            )
        except EngineFailure as error:
            raise EngineUnavailable(reason=error) from error
        try:
            if orphans := sweep(self._client):
                _log.warning("removed %d containers whose owner is gone", orphans)
        except EngineFailure as error:
            self._client.close()
            raise EngineUnavailable(reason=error) from error
        sweep_folders(self._settings.run_dir)
        atexit.register(self.close)

    def info(self) -> RunnerInfo:
        """Container isolation and the base image's runtime; see the port."""
        base = self._base_image()
        try:
            engine = self._client.info()
        except EngineFailure as error:
            raise EngineUnavailable(reason=error) from error
        detail = {
            "engine": str(engine.get("ServerVersion", "")),
            "api": str(self._client.api_version),
            "base_image": f"{base.reference} ({base.origin})",
            "oci_runtime": self._settings.runtime or str(engine.get("DefaultRuntime", "")),
            "runtimes": ", ".join(sorted(engine.get("Runtimes") or ())),
            "security": ", ".join(engine.get("SecurityOptions") or ()) or "-",
            "seccomp": "capmart" if seccomp.supported() else "the engine's default",
            "cgroup": str(engine.get("CgroupVersion", "1")),
            "storage": str(engine.get("Driver", "")),
            "permissions": "none is granted: no network, secrets, calls, data or storage",
        }
        return RunnerInfo("container", base.runtime, detail)

    def prepare(self) -> None:
        """Let containers wait for components; see the port and the setting ``generic_boxes``."""
        size = self._settings.generic_boxes
        with self._lock:
            if size and self.pool is None:
                self.pool = Pool(self._generic, size)

    def start(self, spec: RunSpec) -> Instance:
        """Start an instance; see the port.

        Raises:
            InvalidPackage: an image that this engine cannot run.
        """
        _warn_of_permissions(spec)
        check_runtime(spec, self._base_image().runtime)
        http = http_of(spec)
        instance: Instance
        if http is None:
            launch = self._framed_image if isinstance(spec.delivery, ImageDelivery) else self._python
            instance = ConcurrentInstance(
                spec,
                self._settings,
                self._admission,
                lambda: CallInstance(spec, self._settings, self._admission, lambda: launch(spec)),
            )
        else:
            instance = self._application(spec, http)
        with self._lock:
            self._instances.append(instance)
        return instance

    def describe(self, spec: RunSpec) -> list[dict[str, Json]]:
        """Import the component in a container and return its actions; see the port."""
        check_runtime(spec, self._base_image().runtime)
        box = self._python(spec, "describe")
        try:
            return described(box, spec, self._settings.describe_timeout_s)
        finally:
            box.destroy()
            box.wire.close()

    def metrics(self) -> Sequence[Metric]:
        """What became of the calls, and what runs; see the port."""
        return self._admission.metrics()

    def close(self) -> None:
        """End every instance and give the engine's connections back."""
        atexit.unregister(self.close)
        if os.getpid() != self._pid:
            return  # a forked copy of the process that owns them
        with self._lock:
            instances, self._instances = self._instances, []
            pool, self.pool = self.pool, None
        if pool is not None:
            pool.close()
        for instance in instances:
            instance.close()
        self._client.close()

    def _base_image(self) -> BaseImage:
        with self._lock:
            if self._base is None:
                self._base = ensure_base_image(self._client, self._settings)
            return self._base

    def _application(self, spec: RunSpec, http: Http) -> HttpInstance:
        door = Door(self._settings.run_dir)

        def launch() -> Box:
            if isinstance(spec.delivery, ImageDelivery):
                return self._http_image(spec, http, door)
            return self._python(spec, "http", door)

        return HttpInstance(spec, self._settings, self._admission, launch, door, http)

    def _python(self, spec: RunSpec, mode: str = "call", door: Door | None = None) -> Box:
        """A box of the base image with the component's wheels mounted."""
        base = self._base_image()
        own = layer_of(spec.wheels[:1], self._settings, minor=base.runtime.minor)
        locked = layer_of(spec.wheels[1:], self._settings, minor=base.runtime.minor)
        mounts = _present({OWN: own, LOCK: locked, FILES: spec.files})
        waiting = self._waiting(spec, mounts, mode) if door is None else None
        paths = [path for path in (OWN, LOCK) if path in mounts] if waiting is None else [f"{IO}/{OWN_FOLDER}"]
        order = order_for(
            spec,
            self._settings,
            mode,
            paths=tuple([*paths, DESCRIBE] if mode == "describe" else paths),
            tmp="/tmp",  # noqa: S108 - inside the box
            environment={**thread_environment(spec), **_environment(http_of(spec))},
        )
        self._admission.box_started("nothing" if waiting is None else "pool")
        box = waiting or self._guest(
            _labels(spec),
            base,
            spec.limits,
            mounts,
            component=spec.component,
            largest=result_max(spec, mode),
            application=door is not None,
        )
        return self._injected(box, order, door)

    def _waiting(self, spec: RunSpec, mounts: Mapping[str, Path], mode: str) -> ContainerBox | None:
        """A container that waited and is this component's now; None where none can be or none is there.

        A container's mounts are settled when it is made, so whatever needs more than small code of its own is started
        from nothing.
        """
        pool = self.pool
        if pool is None or set(mounts) != {OWN} or not is_small(mounts[OWN]):
            return None
        box = pool.take(spec.limits)
        if box is not None:
            try:
                box.becomes(spec.component, result_max(spec, mode), mounts[OWN])
            except BaseException:
                box.destroy()
                box.wire.close()
                raise
        return box

    def _generic(self, limits: Limits) -> ContainerBox:
        """A container of the bare base image that waits for a component."""
        box = self._guest({}, self._base_image(), limits, {}, component="-", largest=1, application=False)
        try:
            box.greet(HELLO_S)
        except BaseException:
            box.destroy()
            box.wire.close()
            raise
        return box

    def _http_image(self, spec: RunSpec, http: Http, door: Door) -> Box:
        """The component's own image, and beside it a guest that shares its empty network and carries connections.

        The guest comes first and holds the network; the image joins it, so that nothing is needed inside the image.
        """
        base, image = self._base_image(), self._component_image(spec)
        order = order_for(spec, self._settings, "forward", paths=(), tmp="/tmp", environment={})  # noqa: S108 - same
        beside = self._guest(_labels(spec), base, _BESIDE, {}, component=spec.component, largest=1, application=True)
        own = None
        try:
            own = self._component_container(
                spec,
                image,
                network=f"container:{beside.containers[0].id}",
                keep_log=True,
                environment=_environment(http),
            )
            own.start()
        except BaseException:
            if own is not None:
                own.remove()
            beside.destroy()
            beside.wire.close()
            raise
        return self._injected(beside.joined_by(own), order, door)

    def _framed_image(self, spec: RunSpec) -> Box:
        """The component's own image, speaking the framed protocol on its standard streams."""
        own = self._component_container(
            spec, self._component_image(spec), stdin_open=True, environment=_environment(None)
        )
        kept: list[bytes] = []
        wire = attached_wire(own, result_max(spec, "call"), kept.append)
        box = ContainerBox(spec.component, self._settings, wire, [own], None)
        own.start()
        return self._injected(box, {"v": 1}, None)

    def _guest(
        self,
        labels: Mapping[str, str],
        base: BaseImage,
        limits: Limits,
        mounts: Mapping[str, Path],
        *,
        component: str,
        largest: int,
        application: bool,
    ) -> ContainerBox:
        """A container with our guest, which has dialled in."""
        rendezvous = Rendezvous(self._settings.run_dir)
        container: Container | None = None
        try:
            host = host_config(
                self._client,
                limits,
                mounts={**mounts, IO: rendezvous.folder},
                nofile=self._settings.nofile_http if application else self._settings.nofile,
                runtime=self._settings.runtime,
                application=application,
            )
            command = guest_command("connect", _HUB)
            container = Container(self._client, labels, base.id, host, command=command, user=USER)
            container.start()
            sock = rendezvous.accept(HELLO_S, container.running)
        except BaseException as error:
            if container is not None:
                container.remove()
            rendezvous.close()
            if isinstance(error, TimeoutError | ConnectionError):
                raise EngineUnavailable(reason="a container of the base image does not start") from error
            raise
        sock.setblocking(False)  # noqa: FBT003 - the socket module's own signature
        return ContainerBox(component, self._settings, Wire(sock, result_max=largest), [container], rendezvous)

    def _component_image(self, spec: RunSpec) -> images.ComponentImage:
        if spec.image is None:
            raise InvalidPackage(file=spec.component, reason="it has no image")
        return images.load(self._client, spec.image)

    def _component_container(
        self,
        spec: RunSpec,
        image: images.ComponentImage,
        *,
        network: str = "none",
        keep_log: bool = False,
        **options: Any,
    ) -> Container:
        host = host_config(
            self._client,
            spec.limits,
            mounts=_present({FILES: spec.files}),
            network=network,
            nofile=self._settings.nofile_http,
            runtime=self._settings.runtime,
            application=True,
            keep_log=keep_log,
            volumes=image.volumes,
        )
        return Container(self._client, _labels(spec), image.id, host, user=image.user, **options)

    def _injected(self, box: ContainerBox, order: Mapping[str, Any], door: Door | None) -> Box:
        try:
            listener = None if door is None else door.listener
            box.inject(order, listener, hello_s=HELLO_S, ready_s=self._settings.start_timeout_s)
        except BaseException:
            box.destroy()
            box.wire.close()
            raise
        return box


def _labels(spec: RunSpec) -> dict[str, str]:
    return {COMPONENT_LABEL: spec.component, TENANT_LABEL: spec.tenant}


def _present(mounts: Mapping[str, Path | None]) -> dict[str, Path]:
    return {target: source.absolute() for target, source in mounts.items() if source is not None}


def _environment(http: Http | None) -> dict[str, str]:
    return {"CAPMART_FILES": FILES} | ({} if http is None else {"CAPMART_PORT": str(http.port)})


def _warn_of_permissions(spec: RunSpec) -> None:
    asked = spec.permissions.model_dump(exclude_defaults=True)
    if asked:
        _log.warning("%s asks for %s, which this runner does not grant", spec.component, ", ".join(sorted(asked)))


def _address() -> dict[str, Any]:
    """Where the engine is. A socket that nobody listens on is found here: the client would leave its own end open."""
    try:
        address = dict(kwargs_from_env())
        scheme, _, path = str(address.get("base_url") or f"unix://{_DEFAULT_SOCKET}").partition("://")
        if scheme in {"unix", "http+unix"}:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(path)
    except EngineFailure as error:
        raise EngineUnavailable(reason=f"{error} ({os.environ.get('DOCKER_HOST') or _DEFAULT_SOCKET})") from error
    return address
