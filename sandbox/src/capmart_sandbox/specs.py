"""From a run spec to what a guest is told, the same for every runner."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from capmart_core.canonical import parse_json
from capmart_core.errors import InvalidJson, RuntimeMismatch, Unhealthy
from capmart_core.identifiers import Runtime
from capmart_core.manifest.models import Http, PythonDelivery
from capmart_core.ports.runner import Json, RunSpec
from capmart_sandbox.box import Box
from capmart_sandbox.guest import framing
from capmart_sandbox.settings import SandboxSettings

_DESCRIPTION_BYTES = 8 * 1024 * 1024


def http_of(spec: RunSpec) -> Http | None:
    """How the component is reached over HTTP; None for one that answers framed calls."""
    return spec.delivery.http


def namespace_of(spec: RunSpec) -> str:
    """The namespace that the component belongs to."""
    return spec.component.partition("/")[0]


def check_runtime(spec: RunSpec, offered: Runtime) -> None:
    """Refuse a Python component that this base image cannot run.

    Raises:
        RuntimeMismatch: says what is missing.
    """
    if not isinstance(spec.delivery, PythonDelivery):
        return
    needed = [Runtime.parse(text) for text in spec.delivery.runtimes]
    if any(runtime.runs_on(offered) for runtime in needed):
        return
    raise RuntimeMismatch(
        component=spec.component,
        needed=", ".join(map(str, needed)),
        offered=offered,
        missing="; ".join(_lacking(runtime, offered) for runtime in needed),
    )


def _lacking(needed: Runtime, offered: Runtime) -> str:
    if needed.minor != offered.minor:
        return f"Python 3.{needed.minor}"
    here, there = (re.fullmatch(r"manylinux_(\d+)_(\d+)_(\w+)", one.platform) for one in (offered, needed))
    if here and there and here[3] == there[3]:
        return f"glibc {there[1]}.{there[2]}"
    return f"a {needed.platform} machine"


def order_for(
    spec: RunSpec,
    settings: SandboxSettings,
    mode: str,
    *,
    paths: tuple[str, ...],
    tmp: str,
    environment: Mapping[str, str],
    port: int = 0,
    memory_mib: int = 0,
) -> dict[str, Any]:
    """The header of INJECT: what a guest is to load for ``spec``. Paths are as the guest sees them.

    Args:
        spec: of the component.
        settings: of the runner.
        mode: ``call``, ``describe``, ``http`` or ``forward``.
        paths: folders of code, in the order in which they are searched.
        tmp: folder that is emptied after each call.
        environment: variables of the component.
        port: where an HTTP component is to listen.
        memory_mib: limit that the guest sets on its calls itself; 0 where the box has one.
    """
    delivery, http = spec.delivery, http_of(spec)
    order: dict[str, Any] = {
        "v": framing.VERSION,
        "mode": mode,
        "paths": list(paths),
        "env": dict(environment),
        "output_max": _DESCRIPTION_BYTES if mode == "describe" else spec.limits.output_kib * 1024,
        "log_max": settings.log_kib * 1024,
        "tmp": tmp,
        "memory_mib": memory_mib,
    }
    if isinstance(delivery, PythonDelivery):
        order |= {"entry": delivery.entry, "isolation": delivery.isolation}
    if http is not None:
        order |= {"port": port or http.port, "health": http.health}
    return order


def result_max(spec: RunSpec, mode: str) -> int:
    """Bytes of the largest answer that a guest may give."""
    return _DESCRIPTION_BYTES if mode == "describe" else spec.limits.output_kib * 1024


def thread_environment(spec: RunSpec) -> dict[str, str]:
    """How many threads numeric libraries start: as many as there are processors for them, and none beside one."""
    count = str(max(1, int(spec.limits.cpus)))
    return dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), count)


def described(box: Box, spec: RunSpec, timeout_s: float) -> list[dict[str, Json]]:
    """Ask a guest in describe mode for the component's actions.

    Raises:
        Unhealthy: the import failed, or what it declares cannot become actions.
    """
    outcome = box.call("describe", b"null", timeout_s)
    if outcome.error is None:
        try:
            actions = parse_json(outcome.body, what="description", max_bytes=_DESCRIPTION_BYTES)
        except InvalidJson as error:
            raise Unhealthy(
                component=spec.component, reason=error.message("en"), reason_zh=error.message("zh")
            ) from error
        if isinstance(actions, list):
            return actions
        raise Unhealthy(component=spec.component, reason="it described no list of actions")
    header = outcome.header
    reason = str(header.get("reason") or outcome.error)
    reason_zh = str(header.get("reason_zh") or reason)
    detail = str(header.get("detail", ""))[-3000:]
    raise Unhealthy(
        component=spec.component,
        reason="\n".join(part for part in (reason, detail) if part),
        reason_zh="\n".join(part for part in (reason_zh, detail) if part),
    )
