"""Capmart's model, rules, formats and ports: what every other distribution agrees on.

The names here are those that most callers need, loaded when they are first used; everything else is imported from its
module.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from capmart_core.drivers import installed, load_driver
    from capmart_core.errors import CapmartError
    from capmart_core.hooks import hookimpl
    from capmart_core.identifiers import ComponentId, Runtime, digest_of
    from capmart_core.manifest import Manifest, Problem, problems_of, read_manifest
    from capmart_core.package import PackageLayout, PackageReader, describe_layout, install_tree, write_package
    from capmart_core.ports.blobs import BlobStore
    from capmart_core.ports.runner import CallResult, Instance, Runner, RunSpec
    from capmart_core.resolver import resolve
    from capmart_core.text import Language, Text
    from capmart_core.versions import Range, parse_version

_MODULES = {
    "drivers": ("installed", "load_driver"),
    "errors": ("CapmartError",),
    "hooks": ("hookimpl",),
    "identifiers": ("ComponentId", "Runtime", "digest_of"),
    "manifest": ("Manifest", "Problem", "problems_of", "read_manifest"),
    "package": ("PackageLayout", "PackageReader", "describe_layout", "install_tree", "write_package"),
    "ports.blobs": ("BlobStore",),
    "ports.runner": ("CallResult", "Instance", "RunSpec", "Runner"),
    "resolver": ("resolve",),
    "text": ("Language", "Text"),
    "versions": ("Range", "parse_version"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "BlobStore",
    "CallResult",
    "CapmartError",
    "ComponentId",
    "Instance",
    "Language",
    "Manifest",
    "PackageLayout",
    "PackageReader",
    "Problem",
    "Range",
    "RunSpec",
    "Runner",
    "Runtime",
    "Text",
    "describe_layout",
    "digest_of",
    "hookimpl",
    "install_tree",
    "installed",
    "load_driver",
    "parse_version",
    "problems_of",
    "read_manifest",
    "resolve",
    "write_package",
]


def __getattr__(name: str) -> object:
    """Load a name of ``__all__`` from its module, so that importing one module of core does not import them all."""
    if name not in _HOME:
        raise AttributeError(f"module 'capmart_core' has no attribute {name!r}")
    return getattr(import_module(f"capmart_core.{_HOME[name]}"), name)
