"""The port behind which components run. Drivers live in the stevedore group ``capmart.runners``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from capmart_core.identifiers import Runtime
from capmart_core.manifest.models import ImageDelivery, Limits, Permissions, PythonDelivery
from capmart_core.metrics import Metric

Json = Any


@dataclass(frozen=True)
class RunSpec:
    """Everything a runner needs to know about one component, with its content already verified and on disk.

    Attributes:
        component: ``namespace/name@version``, for messages.
        digest: of the package's index; with ``tenant`` the key under which an instance may be shared.
        delivery: how it runs.
        wheels: the component's own wheel first, then its locked third-party wheels, for this machine's runtime.
        files: folder of the component's data files, seen read-only as ``/capmart/files``; None when it has none.
        image: folder holding the OCI image layout of an image delivery.
        paths: HTTP path of each action, for components that speak HTTP.
        tenant: on whose behalf it runs; instances are never shared between tenants.
    """

    component: str
    digest: str
    delivery: PythonDelivery | ImageDelivery
    wheels: tuple[Path, ...] = ()
    files: Path | None = None
    image: Path | None = None
    paths: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    permissions: Permissions = field(default_factory=Permissions)
    tenant: str = "local"


@dataclass(frozen=True)
class Usage:
    """What one call used.

    Attributes:
        wall_ms: elapsed time in milliseconds, seen from the host.
        cpu_ms: processor time in milliseconds; None when not measured.
        peak_mib: peak resident memory in MiB; None when not measured.
    """

    wall_ms: float
    cpu_ms: float | None = None
    peak_mib: float | None = None


@dataclass(frozen=True)
class CallResult:
    """The answer to one call: its JSON value, what it wrote to stdout and stderr (capped), and what it used."""

    value: Json
    log: str
    log_dropped: int
    usage: Usage


@dataclass(frozen=True)
class RunnerInfo:
    """What a runner gives on this machine.

    Attributes:
        isolation: ``container``, or ``none`` for the process runner.
        runtime: of the base image.
        detail: facts for ``capmart doctor``, by name.
    """

    isolation: Literal["container", "none"]
    runtime: Runtime
    detail: Mapping[str, str]


class Instance(ABC):
    """One running component. Safe to use from several threads; calls are queued."""

    @abstractmethod
    def call(self, action: str, value: Json, *, deadline_s: float | None = None) -> CallResult:
        """Run one action.

        Args:
            action: its name in the manifest.
            value: the input, JSON, already checked against the action's schema.
            deadline_s: seconds; the manifest's limit when None, never more than it.

        Raises:
            ComponentFailed: the component did wrong; the instance goes on or is replaced unseen.
            Unavailable: the engine is gone or too busy.
        """

    @property
    @abstractmethod
    def socket(self) -> Path | None:
        """Unix socket on this machine on which the component speaks HTTP; None when it does not."""

    @abstractmethod
    def close(self) -> None:
        """End it and everything it started; closing twice is harmless."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Runner(ABC):
    """Starts instances. A driver is built with no arguments and reads its own settings (``CAPMART_SANDBOX_…``)."""

    name: ClassVar[str]

    @abstractmethod
    def info(self) -> RunnerInfo:
        """What this machine gives.

        Raises:
            EngineUnavailable: no engine answers.
            BaseImageUnavailable: there is no base image and none can be made.
        """

    @abstractmethod
    def start(self, spec: RunSpec) -> Instance:
        """Start an instance and return when it is ready for its first call.

        Raises:
            RuntimeMismatch: the base image does not give what the component needs.
            Unhealthy: its import or readiness failed.
            EngineUnavailable: no engine answers.
        """

    @abstractmethod
    def describe(self, spec: RunSpec) -> list[dict[str, Json]]:
        """Import a Python component inside the sandbox and return its actions as manifest JSON (``Action``).

        The one step of packing that runs the author's code; the caller's process never imports it.

        Raises:
            Unhealthy: the import failed; the reason has the traceback's end.
        """

    def prepare(self) -> None:  # noqa: B027 - a runner that starts nothing beforehand has nothing to do
        """Start beforehand what makes first calls quick; for a process that lasts and will see many components."""

    def metrics(self) -> Sequence[Metric]:
        """Counts for whoever watches the service; none where nothing is counted."""
        return ()

    def close(self) -> None:  # noqa: B027 - a runner that keeps nothing has nothing to end
        """End every instance this runner started."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
