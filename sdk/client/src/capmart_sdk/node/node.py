"""The node: install, call, list and verify, for the command line, the gateway and anyone's script."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from capmart_core.blobs.folder import FolderBlobs
from capmart_core.errors import Busy
from capmart_core.identifiers import ComponentId
from capmart_core.manifest.models import DataFile, Manifest
from capmart_core.metrics import Metric
from capmart_core.package import InstalledTree, load_tree
from capmart_core.ports.runner import CallResult, Instance, Json, Runner
from capmart_core.text import Language
from capmart_sdk.client import CenterClient
from capmart_sdk.config import Home
from capmart_sdk.follow import NodeStore
from capmart_sdk.node.calls import RunningComponent
from capmart_sdk.node.content import Content
from capmart_sdk.node.install import Installer, Ready
from capmart_sdk.node.lock import FILE_NAME, Lock, LockedComponent
from capmart_sdk.node.plan import PlannedRelease, Planner, Wanted
from capmart_sdk.node.sources import OnSynced, follow_center
from capmart_sdk.node.verify import Verification, Verifier, check_may_run
from capmart_sdk.runners import open_runner
from capmart_sdk.trust import TrustStore

NODE_VARIABLE = "CAPMART_NODE"
INSTALL_TIMEOUT_S = 3600.0

Agree = Callable[[Sequence[Ready]], bool]
"""Shown everything that was verified and what it may do; answers whether to install it."""


def _everything(_: Sequence[Ready]) -> bool:
    return True


class Node:
    """A folder where components are installed and run. Safe to use from several threads and processes.

    ::

        DIR/capmart.lock            what is installed
        DIR/installed/NS/NAME/VER   verified content on disk
        DIR/blobs                   content by digest, shared by all versions
        DIR/ledger.sqlite           the followed logs
        DIR/proofs                  for each installed release, that it is in its home log

    Args:
        path: the folder; that of ``CAPMART_NODE``, or ``node`` in the home folder, when None.
        home: keys and trust; that of ``CAPMART_HOME`` when None.
        runner: name of the runner's driver; that of ``CAPMART_RUNNER`` when None.
        language: of reasons in errors.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        home: Home | None = None,
        runner: str | None = None,
        language: Language = "en",
    ) -> None:
        self._home = home or Home.default()
        named = os.environ.get(NODE_VARIABLE)
        self.path = (path or (Path(named) if named else self._home.node)).expanduser().absolute()
        self.language: Language = language
        self._runner_name = runner
        self._runner: Runner | None = None
        self._store: NodeStore | None = None
        self._running: dict[str, RunningComponent] = {}
        self._lock = threading.RLock()
        self._known_lock: tuple[tuple[int, int, int], Lock] | None = None

    # What is installed

    def lock(self) -> Lock:
        """Everything installed."""
        path = self.path / FILE_NAME
        try:
            facts = path.stat()
        except FileNotFoundError:
            return Lock()
        # Read again only when it was replaced: every call asks.
        version = (facts.st_ino, facts.st_mtime_ns, facts.st_size)
        with self._lock:
            if self._known_lock is None or self._known_lock[0] != version:
                self._known_lock = (version, Lock.load(path))
            return self._known_lock[1]

    def locked(self, component: ComponentId | str) -> LockedComponent:
        """What is installed of one component.

        Raises:
            NotInstalled: nothing is.
        """
        return self.lock().require(_parsed(component))

    def tree(self, component: ComponentId | str) -> InstalledTree:
        """Its content on disk.

        Raises:
            NotInstalled: nothing is.
            DigestMismatch: it was altered.
        """
        locked = self.locked(component)
        dest = self._installer().tree(ComponentId.parse(locked.id), locked.version)
        return load_tree(dest, digest=locked.digest)

    def manifest(self, component: ComponentId | str) -> Manifest:
        """What it says of itself."""
        return self.tree(component).layout.manifest

    def files(self, component: ComponentId | str) -> list[tuple[DataFile, Path]]:
        """Its documents and tables, each with where it lies."""
        tree = self.tree(component)
        folder = tree.files
        return [] if folder is None else [(file, folder / file.path) for file in tree.layout.manifest.files]

    # Installing

    def install(
        self,
        wanted: Iterable[str],
        center: CenterClient,
        *,
        agree: Agree = _everything,
        on_synced: OnSynced | None = None,
        on_bytes: Callable[[int], None] | None = None,
    ) -> list[LockedComponent]:
        """Install components and everything they need, through one center, verified against the trusted logs.

        Killed at any point and run again, it ends right; two at once wait for each other.

        Args:
            wanted: ``namespace/name`` or ``namespace/name@RANGE`` each.
            center: where to fetch from; not trusted beyond the logs that are.
            agree: asked once, before content is fetched; nothing is installed when it says no.
            on_synced: told of each log that was followed.
            on_bytes: told of bytes as they arrive.

        Returns:
            What was asked for and everything it needs, as installed now; empty when ``agree`` said no.

        Raises:
            OriginNotTrusted, FingerprintMismatch, LogRollback, LogFork, LogFrozen, LogCorrupt: the log cannot be
                believed.
            ComponentNotFound, NotInLog, KeyNotGranted, KeyRevoked, ReleaseNotInstallable, Unresolvable: there is
                nothing that may be installed.
            RuntimeMismatch: it cannot run here; nothing was fetched.
            DigestMismatch, InvalidPackage: the content is not what the publisher signed; nothing was installed.
        """
        asked = [Wanted.parse(text) for text in wanted]
        with self._alone(), follow_center(center, self.trust, self.store(), on_synced) as sources:
            installer = self._installer()
            content = Content(center, self._blobs(), on_bytes)
            lock = self.lock()
            planner = Planner(self.store(), lock, sources, center, content, self.language)
            plan = planner.plan(asked)
            due = [release for release in plan.releases if release.is_new or not self._is_there(release)]
            ready = [installer.prepare(release, content, sources) for release in due]
            if ready and not agree(ready):
                return []
            changed = [installer.install(each, content) for each in ready]
            # What is there already may be asked for now, or with another range.
            changed += [
                release.before.model_copy(update={"requested": release.requested})
                for release in plan.releases
                if release.before is not None and not release.is_new
            ]
            lock = lock.with_changes(changed)
            lock.save(self.path / FILE_NAME)
            self._forget({entry.id for entry in changed})
            return [
                lock.require(ComponentId.parse(name)) for name in plan.needed_by(str(each.component) for each in asked)
            ]

    def _is_there(self, release: PlannedRelease) -> bool:
        """Whether its tree is on disk, as the lock says."""
        component = ComponentId.parse(release.published.component)
        return self._installer().tree(component, release.published.version).is_dir()

    # Verifying and running

    def verify(self, center: CenterClient | None = None) -> list[Verification]:
        """Verify everything installed again.

        Args:
            center: follow the logs through it first, so that yanks and recalls are known; None to use no network.
        """
        if center is not None:
            with self._alone(), follow_center(center, self.trust, self.store()):
                pass
        installer = self._installer()
        verifier = Verifier(self.store(), self.trust, self.language)
        return [
            verifier.verify(
                entry, installer.tree(ComponentId.parse(entry.id), entry.version), installer.proof(entry.digest)
            )
            for entry in self.lock().components
        ]

    def call(
        self,
        component: ComponentId | str,
        action: str,
        value: Json,
        *,
        deadline_s: float | None = None,
        language: Language | None = None,
    ) -> CallResult:
        """Run one action of an installed component; its instance stays warm for the next call.

        Raises:
            NotInstalled, ActionNotFound: it is not there.
            ReleaseNotInstallable: it was quarantined, recalled or taken down.
            InputRejected: the input does not match the schema.
            BadResult: the answer does not.
            ComponentFailed: the component did wrong; the node goes on.
        """
        running = self.running(component)
        return running.call(action, value, deadline_s=deadline_s, language=language or self.language)

    def instance(self, component: ComponentId | str) -> Instance:
        """The running instance of an installed component, started when it is not."""
        return self.running(component).instance()

    def running(self, component: ComponentId | str) -> RunningComponent:
        """An installed component, not necessarily started.

        Raises:
            NotInstalled: it is not.
            ReleaseNotInstallable: it was quarantined, recalled or taken down.
        """
        locked = self.locked(component)
        check_may_run(locked, self.store().release(locked.id, locked.version), self.language)
        with self._lock:
            known = self._running.get(locked.id)
            if known is not None and known.tree.layout.digest == locked.digest:
                return known
            if known is not None:
                known.close()
            self._running[locked.id] = RunningComponent(self.tree(locked.id), self.runner)
            return self._running[locked.id]

    def runner(self) -> Runner:
        """The runner, opened at the first use."""
        with self._lock:
            if self._runner is None:
                self._runner = open_runner(self._runner_name)
            return self._runner

    def metrics(self) -> Sequence[Metric]:
        """What the runner counted since it was opened; nothing before."""
        with self._lock:
            return () if self._runner is None else self._runner.metrics()

    @property
    def trust(self) -> TrustStore:
        """Which logs are believed."""
        return TrustStore(self._home.trust)

    def store(self) -> NodeStore:
        """The followed logs."""
        with self._lock:
            if self._store is None:
                self._store = NodeStore(self.path / "ledger.sqlite")
            return self._store

    def close(self) -> None:
        """End what runs and close the store."""
        with self._lock:
            self._forget(set(self._running))
            if self._runner is not None:
                self._runner.close()
                self._runner = None
            if self._store is not None:
                self._store.close()
                self._store = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _forget(self, components: set[str]) -> None:
        with self._lock:
            for component in components & set(self._running):
                self._running.pop(component).close()

    def _blobs(self) -> FolderBlobs:
        return FolderBlobs(self.path / "blobs")

    def _installer(self) -> Installer:
        return Installer(
            self._blobs(),
            self.path / "installed",
            self.path / "proofs",
            self.store(),
            lambda: self.runner().info().runtime,
        )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.path / ".lock", timeout=INSTALL_TIMEOUT_S):
                yield
        except Timeout as error:
            raise Busy(what=f"node {self.path}", retry_after=60) from error


def _parsed(component: ComponentId | str) -> ComponentId:
    return component if isinstance(component, ComponentId) else ComponentId.parse(component)
