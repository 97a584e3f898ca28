"""The checks that come with Capmart; each is a plugin of its own, registered like any other."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType

from capmart_registry.submissions.checks import (
    dependencies,
    examples,
    licence,
    manifest,
    package,
    signature,
    version,
)

BUILTIN: Mapping[str, ModuleType] = {
    "signature": signature,
    "manifest": manifest,
    "licence": licence,
    "version": version,
    "dependencies": dependencies,
    "package": package,
    "examples": examples,
}
"""By the name that findings carry."""
