"""Hooks: what extensions may add to core, and the manager that every host uses for its own."""

from __future__ import annotations

from capmart_core.hooks.hookspecs import PROJECT, hookimpl, hookspec
from capmart_core.hooks.manager import GROUP, Outcome, Plugins, core_plugins, plugin_manager

__all__ = ["GROUP", "PROJECT", "Outcome", "Plugins", "core_plugins", "hookimpl", "hookspec", "plugin_manager"]
