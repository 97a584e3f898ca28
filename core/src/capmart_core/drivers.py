"""Drivers, chosen by name in settings: one of several implementations of a port, found through stevedore."""

from __future__ import annotations

from typing import Any

from stevedore import DriverManager, NamedExtensionManager
from stevedore.exception import MultipleMatches, NoMatches

from capmart_core.errors import DriverBroken, DriverNotFound

BLOBS = "capmart.blobs"
RUNNERS = "capmart.runners"


def load_driver(group: str, name: str, **settings: object) -> Any:
    """Build the driver ``name`` of ``group``.

    Args:
        group: the entry point group of a port, for example ``capmart.blobs``.
        name: as in the settings.
        settings: keyword arguments of the driver's constructor.

    Raises:
        DriverNotFound: no installed distribution offers it.
        DriverBroken: one does, but it cannot be imported, or several do.
    """
    failures: list[BaseException] = []
    try:
        manager: DriverManager[Any] = DriverManager(
            group, name, on_load_failure_callback=lambda _manager, _entry_point, error: failures.append(error)
        )
    except NoMatches as error:
        if failures:
            raise DriverBroken(name=name, group=group, reason=repr(failures[0])) from failures[0]
        raise DriverNotFound(name=name, group=group, installed=", ".join(installed(group)) or "-") from error
    except MultipleMatches as error:
        raise DriverBroken(name=name, group=group, reason=str(error)) from error
    return manager.driver(**settings)


def installed(group: str) -> list[str]:
    """Names of the drivers that installed distributions offer for ``group``, sorted; none of them is imported."""
    manager: NamedExtensionManager[Any] = NamedExtensionManager(group, names=[])
    return sorted(set(manager.entry_points_names()))
