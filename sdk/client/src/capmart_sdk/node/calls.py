"""Calls of installed components: checked against the manifest's schema here, outside the sandbox, before and after."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from capmart_core.errors import ActionNotFound, BadResult, InputRejected, NotAllowed
from capmart_core.manifest.models import Action, Manifest
from capmart_core.package import InstalledTree
from capmart_core.ports.runner import CallResult, Instance, Json, Runner
from capmart_core.schemas import Schema
from capmart_core.text import Language


@dataclass(frozen=True)
class _Checked:
    action: Action
    input: Schema
    output: Schema


class RunningComponent:
    """One installed release, started at its first use and kept warm. Safe to use from several threads.

    Args:
        tree: where it is installed.
        runner: opened at the first use.
    """

    def __init__(self, tree: InstalledTree, runner: Callable[[], Runner]) -> None:
        self.tree = tree
        self._runner = runner
        self._lock = threading.Lock()
        self._instance: Instance | None = None
        self._schemas: dict[str, _Checked] = {}

    @property
    def manifest(self) -> Manifest:
        """What it says of itself."""
        return self.tree.layout.manifest

    def instance(self) -> Instance:
        """The running instance; started once, however many ask at the same time.

        Raises:
            NotAllowed: it has nothing that runs.
            Unhealthy, RuntimeMismatch, NotIsolated, EngineUnavailable: it does not start.
        """
        with self._lock:
            if self._instance is None:
                spec = self.tree.spec()
                if spec is None:
                    raise NotAllowed(action=f"run {self.manifest.id}", needed="a component that is not only files")
                self._instance = self._runner().start(spec)
            return self._instance

    def call(self, name: str, value: Json, *, deadline_s: float | None, language: Language) -> CallResult:
        """Run one action.

        Raises:
            ActionNotFound: it has no such action.
            InputRejected: the input does not match the action's schema; names the place.
            BadResult: the answer does not match its schema.
            ComponentFailed: the component did wrong.
        """
        checked = self._checked(name)
        faults = checked.input.faults(value, limit=1)
        if faults:
            raise InputRejected(
                action=f"{self.manifest.id} {name}",
                path=faults[0].path or "/",
                reason=faults[0].message.get(language),
                component=self.manifest.id,
            )
        result = self.instance().call(name, value, deadline_s=deadline_s)
        wrong = checked.output.faults(result.value, limit=1)
        if wrong:
            reason = f"{wrong[0].path or '/'}: {wrong[0].message.get(language)}"
            raise BadResult(component=self.manifest.id, action=name, reason=reason)
        return result

    def close(self) -> None:
        """End the instance."""
        with self._lock:
            if self._instance is not None:
                self._instance.close()
                self._instance = None

    def _checked(self, name: str) -> _Checked:
        known = self._schemas.get(name)
        if known is None:
            action = self.manifest.action(name)
            if action is None:
                actions = ", ".join(each.name for each in self.manifest.actions) or "-"
                raise ActionNotFound(component=self.manifest.id, action=name, actions=actions)
            known = _Checked(action, Schema(action.input), Schema(action.output))
            self._schemas[name] = known
        return known
