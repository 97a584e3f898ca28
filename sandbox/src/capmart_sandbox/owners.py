"""Whose a container is: a process of this machine, named so that a reused process id cannot be taken for it."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

OWNER_LABEL = "dev.capmart.owner"


@cache
def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _started(pid: int) -> str | None:
    """When the process started, in clock ticks since boot (proc(5), field 22); None when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return None


def this_owner() -> str:
    """This process."""
    return f"{_boot()}:{os.getpid()}:{_started(os.getpid())}"


def owner_is_gone(owner: str) -> bool:
    """Whether the owner was a process of this machine and no longer runs; others' containers are not ours to judge."""
    boot, _, rest = owner.partition(":")
    pid, _, started = rest.partition(":")
    return boot == _boot() and pid.isdigit() and _started(int(pid)) != started
