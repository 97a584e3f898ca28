"""The one place that touches pluggy's untyped ``pm.hook``; each host (core, sdk, registry) has a manager of its own."""

from __future__ import annotations

import importlib.metadata
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType, ModuleType
from typing import Any

import pluggy

from capmart_core.hooks import hookspecs

GROUP = "capmart.extensions"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What one plugin's implementation of a hook gave.

    Attributes:
        plugin: the name under which it is installed.
        value: what it returned; None when it failed.
        error: what it raised; None when it did not.
    """

    plugin: str
    value: Any
    error: Exception | None = None


class Plugins:
    """The extensions of one host.

    Args:
        hooks: modules of hook specifications.
        builtin: modules whose implementations come with the host; called before those of extensions.
        group: entry point group of the extensions.
    """

    def __init__(self, *hooks: ModuleType, builtin: Mapping[str, ModuleType], group: str = GROUP) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        for module in hooks:
            self._manager.add_hookspecs(module)
        failures: dict[str, str] = {}
        for entry_point in sorted(importlib.metadata.entry_points(group=group), key=lambda point: point.name):
            try:
                self._manager.register(entry_point.load(), name=entry_point.name)
            except Exception as error:  # noqa: BLE001 - whatever a plugin raises, the host starts without it
                failures[entry_point.name] = repr(error)
                _log.warning("extension %s cannot be loaded and is left out: %r", entry_point.name, error)
        for name, module in builtin.items():  # pluggy calls the last registered first
            self._manager.register(module, name=name)
        self.failures: Mapping[str, str] = MappingProxyType(failures)

    @property
    def names(self) -> list[str]:
        """Names of the plugins in use."""
        return sorted(name for name, plugin in self._manager.list_name_plugin() if plugin is not None)

    def call(self, hook: str, **arguments: object) -> Iterator[Outcome]:
        """Call every implementation of ``hook``, one by one; one that raises is named and the rest go on.

        Wrappers (``hookimpl(wrapper=True)``) are not called: a plugin may add to what others do, not change it.
        """
        for implementation in reversed(getattr(self._manager.hook, hook).get_hookimpls()):
            if implementation.wrapper or implementation.hookwrapper:
                continue
            given = [arguments[name] for name in implementation.argnames]
            try:
                value = implementation.function(*given)
            except Exception as error:  # noqa: BLE001 - named to the caller, who decides
                _log.warning("extension %s failed in %s: %r", implementation.plugin_name, hook, error)
                yield Outcome(implementation.plugin_name, None, error)
            else:
                yield Outcome(implementation.plugin_name, value)


def plugin_manager(*hooks: ModuleType, builtin: Mapping[str, ModuleType] | None = None, group: str = GROUP) -> Plugins:
    """The extensions installed for a host that owns the specifications in ``hooks``."""
    return Plugins(*hooks, builtin=builtin or {}, group=group)


@cache
def core_plugins() -> Plugins:
    """The extensions of core."""
    from capmart_core.taxonomy import builtin  # noqa: PLC0415 - the built-in tables use these hooks themselves

    return plugin_manager(hookspecs, builtin={"capmart-core": builtin})
