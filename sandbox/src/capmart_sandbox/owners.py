"""Whose a container is: a process of this machine, named so that a reused process id cannot be taken for it."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

OWNER_LABEL = "dev.capmart.owner"
COMPONENT_LABEL = "dev.capmart.component"
TENANT_LABEL = "dev.capmart.tenant"


@cache
def _machine() -> str:
    """This boot and this process namespace: process ids of another say nothing here."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}.{_namespace()}"


@cache
def _namespace() -> int:
    return Path("/proc/self/ns/pid").stat().st_ino


def _started(pid: int) -> str | None:
    """When the process started, in clock ticks since boot (proc(5), field 22); None when it does not run."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in {"Z", "X"} else fields[19]


def this_owner() -> str:
    """This process."""
    return f"{_machine()}:{os.getpid()}:{_started(os.getpid())}"


def folder_prefix() -> str:
    """This process, short enough for the name of a folder in which there is a socket."""
    return f"{_namespace() & 0xFFFF_FFFF:x}.{os.getpid():x}.{int(_started(os.getpid()) or 0):x}."


def folder_is_orphaned(name: str) -> bool:
    """Whether a folder of that name was made by a process that is gone."""
    parts = name.split(".")
    if len(parts) != 4:
        return False
    try:
        namespace, pid, started = (int(part, 16) for part in parts[:3])
    except ValueError:
        return False
    return namespace == _namespace() & 0xFFFF_FFFF and int(_started(pid) or -1) != started


def owner_is_gone(owner: str) -> bool:
    """Whether the owner was a process here and no longer runs; containers of others are not ours to judge."""
    machine, _, rest = owner.partition(":")
    pid, _, started = rest.partition(":")
    return machine == _machine() and pid.isdigit() and _started(int(pid)) != started
