"""``capmart center``: what an operator does on the machine of a center."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

import typer

from capmart_sdk.console import t

_MODULES = {
    "capmart_registry.cli.setup": ("init", "migrate"),
    "capmart_registry.cli.running": ("serve", "worker", "reindex"),
    "capmart_registry.cli.storage": ("scrub",),
    "capmart_registry.cli.people": ("org", "account", "token"),
    "capmart_registry.cli.namespaces": ("namespace",),
    "capmart_registry.upstreams.cli": ("upstream",),
}


def build(words: Sequence[str] = ()) -> typer.Typer:
    """The commands of a center.

    Args:
        words: of the command line after ``center``; only what they need is imported, all of it when they name nothing.
    """
    app = typer.Typer(no_args_is_help=True, help=t("Run a capability center", "运行能力中心"))
    wanted = next((word for word in words if not word.startswith("-")), None)
    named = [module for module, names in _MODULES.items() if wanted in names]
    for module in named or _MODULES:
        app.add_typer(import_module(module).app)
    return app
