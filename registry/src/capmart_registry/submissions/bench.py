"""Where the worker executes a submission: the runner of the settings, reached by driver name only."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

from capmart_core.drivers import RUNNERS, load_driver
from capmart_core.errors import DriverBroken, DriverNotFound, InvalidPackage, Unavailable
from capmart_core.package import PackageLayout, install_tree
from capmart_core.ports.blobs import BlobStore
from capmart_core.ports.runner import Runner, RunSpec
from capmart_registry.hooks.subject import Bench
from capmart_registry.settings import CenterSettings

TENANT = "capmart-center-checks"
_PROCESS = "process"
_TRUSTED = "CAPMART_SANDBOX_PROCESS_NAMESPACES"


class Runners:
    """The runners of one worker, started when they are first needed and kept warm between submissions.

    Args:
        settings: of the center.
        lasting: whether the worker stays for what is submitted later.
    """

    def __init__(self, settings: CenterSettings, *, lasting: bool = False) -> None:
        self._settings, self._lasting = settings, lasting
        self._started: dict[str, Runner] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._started.clear()
        self._stack.close()

    def choose(self, namespace: str) -> Runner:
        """The runner of the settings; the process runner where that cannot run and the operator trusts ``namespace``.

        Raises:
            Unavailable: nothing here can run it.
            DriverNotFound, DriverBroken: the runner of the settings is not installed, or not whole.
        """
        try:
            runner = self._get(self._settings.runner)
            runner.info()
        except (Unavailable, DriverNotFound, DriverBroken):
            if namespace not in self._settings.process_namespaces:
                raise
            return self._get(_PROCESS)
        return runner

    def _get(self, name: str) -> Runner:
        if name not in self._started:
            if name == _PROCESS:
                self._trust()
            runner: Runner = load_driver(RUNNERS, name)
            self._started[name] = self._stack.enter_context(runner)
            if self._lasting:
                runner.prepare()
        return self._started[name]

    def _trust(self) -> None:
        """What the operator trusts is one setting; a driver reads its own from the environment."""
        given = {name for name in os.environ.get(_TRUSTED, "").split(",") if name}
        os.environ[_TRUSTED] = ",".join(sorted(given | set(self._settings.process_namespaces)))


class WorkerBench(Bench):
    """The bench for one submission.

    Attributes:
        used: which runner executed it, for the report; None while none did.
    """

    def __init__(self, runners: Runners, layout: PackageLayout, blobs: BlobStore, folder: Path) -> None:
        self._runners = runners
        self._layout = layout
        self._blobs = blobs
        self._folder = folder
        self.used: str | None = None

    def runner(self) -> Runner:
        """See :class:`Bench`."""
        runner = self._runners.choose(self._layout.manifest.component.namespace)
        self.used = f"{runner.name} {runner.info().runtime}"
        return runner

    @contextmanager
    def installed(self, runner: Runner) -> Iterator[RunSpec]:
        """See :class:`Bench`."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder, ignore_cleanup_errors=True) as folder:
            spec = install_tree(
                self._layout, self._blobs, Path(folder) / "package", runner.info().runtime, tenant=TENANT
            )
            if spec is None:
                raise InvalidPackage(file=self._layout.manifest.id, reason="it has nothing to run")
            yield spec
