"""Extension points of the center, and the extensions and built-in checks that are in use."""

from __future__ import annotations

from functools import cache

from capmart_core.hooks import Plugins, plugin_manager
from capmart_registry.hooks import hookspecs
from capmart_registry.hooks.subject import Bench, CatalogLookup, CheckSubject, Finding, KnownRelease, Measurement


@cache
def center_plugins() -> Plugins:
    """The checks that come with Capmart, then those of installed extensions."""
    from capmart_registry.submissions.checks import BUILTIN  # noqa: PLC0415 - the checks use the types above

    return plugin_manager(hookspecs, builtin=BUILTIN)


__all__ = [
    "Bench",
    "CatalogLookup",
    "CheckSubject",
    "Finding",
    "KnownRelease",
    "Measurement",
    "center_plugins",
]
