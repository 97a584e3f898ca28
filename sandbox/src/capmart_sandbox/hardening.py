"""What every container of a component is given, and what it is denied. Nothing here can be switched off."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from docker import APIClient
from docker.types import LogConfig, Mount, Ulimit

from capmart_core.manifest.models import Limits
from capmart_sandbox import seccomp

USER = "65534:65534"
IO, OWN, LOCK, FILES = "/capmart/io", "/capmart/own", "/capmart/lock", "/capmart/files"

_MIB = 1024 * 1024
# The guest's process 1 and its spare child, which the component's own allowance of processes does not pay for.
_GUEST_PIDS = 2


def host_config(
    client: APIClient,
    limits: Limits,
    *,
    mounts: Mapping[str, Path],
    network: str = "none",
    nofile: int,
    runtime: str = "",
    application: bool = False,
    keep_log: bool = False,
    volumes: tuple[str, ...] = (),
) -> dict[str, Any]:
    """The engine's ``HostConfig`` of one box.

    Args:
        client: of the engine.
        limits: of the manifest.
        mounts: folders of this machine by where they are seen, always read-only.
        network: ``none``, or the container whose empty network is shared.
        nofile: open files.
        runtime: OCI runtime; the engine's default when empty.
        application: whether it keeps state by nature, so that lasting shared memory is allowed.
        keep_log: whether the engine keeps the end of what it writes; otherwise nothing is kept.
        volumes: paths that an image declares as volumes: each becomes memory with a size, not unlimited disk.
    """
    options = [f"seccomp={seccomp.profile(lasting_ipc=application)}"] if seccomp.supported() else []
    log = {"max-size": "64k", "max-file": "1", "compress": "false"}
    tmpfs = {path: _tmpfs(limits.tmp_mib) for path in ("/tmp", *volumes)}  # noqa: S108 - inside the box
    config: dict[str, Any] = client.create_host_config(
        network_mode=network,
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges:true", *options],
        pids_limit=limits.pids + _GUEST_PIDS,
        mem_limit=limits.memory_mib * _MIB,
        memswap_limit=limits.memory_mib * _MIB,  # as much as memory alone: no swap
        nano_cpus=round(limits.cpus * 1e9),
        tmpfs=tmpfs,
        ipc_mode="private" if application else "none",
        shm_size=limits.tmp_mib * _MIB if application else None,
        ulimits=[Ulimit(name="nofile", soft=nofile, hard=nofile), Ulimit(name="core", soft=0, hard=0)],
        log_config=LogConfig(type="local", config=log) if keep_log else LogConfig(type="none"),
        mounts=[Mount(target, str(source), type="bind", read_only=True) for target, source in mounts.items()],
        auto_remove=True,
        runtime=runtime or None,
        cgroupns=None,
    )
    return config


def _tmpfs(size_mib: int) -> str:
    return f"rw,noexec,nosuid,nodev,size={size_mib}m,mode=1777"
