"""From a run spec to a guest's order, the same for every runner."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from capmart_core.errors import NotAllowed, RuntimeMismatch, Unhealthy
from capmart_core.identifiers import Runtime
from capmart_core.manifest.models import Http, ImageDelivery, PythonDelivery
from capmart_core.ports.runner import Json, RunSpec
from capmart_sandbox.box import Box, Order
from capmart_sandbox.guest import framing


def http_of(spec: RunSpec) -> Http | None:
    """How the component is reached over HTTP; None for one that answers calls.

    Raises:
        NotAllowed: the image speaks the framed protocol on stdio, which no runner here does.
    """
    delivery = spec.delivery
    if isinstance(delivery, ImageDelivery) and delivery.http is None:
        raise NotAllowed(action=f"run {spec.component}", needed="an image that speaks http")
    return delivery.http


def check_runtime(spec: RunSpec, offered: Runtime) -> None:
    """Refuse a Python component that none of its runtimes lets run here.

    Raises:
        RuntimeMismatch: says what is missing.
    """
    delivery = spec.delivery
    if not isinstance(delivery, PythonDelivery):
        return
    if not any(Runtime.parse(text).runs_on(offered) for text in delivery.runtimes):
        needed = ", ".join(delivery.runtimes)
        raise RuntimeMismatch(component=spec.component, needed=needed, offered=offered, missing=needed)


def order_for(
    spec: RunSpec,
    mode: str,
    *,
    paths: tuple[str, ...],
    files: str,
    init_s: float,
    describe_paths: tuple[str, ...] = (),
    rlimit_bytes: int = 0,
    data_socket: str = "",
    port: int | None = None,
) -> Order:
    """What a guest is to load for ``spec``; paths are as the guest sees them.

    ``port`` replaces the manifest's where the network is shared with others, as it is without a container.
    """
    delivery = spec.delivery
    http = delivery.http
    env = {"CAPMART_FILES": files}
    listening = 0 if http is None else port or http.port
    if http is not None:
        env["CAPMART_PORT"] = str(listening)
    return Order(
        mode=mode,
        entry=delivery.entry if isinstance(delivery, PythonDelivery) else "",
        isolation=delivery.isolation if isinstance(delivery, PythonDelivery) else "isolated",
        output_bytes=spec.limits.output_kib * 1024,
        paths=paths,
        env=env,
        init_s=init_s,
        describe_paths=describe_paths,
        rlimit_bytes=rlimit_bytes,
        port=listening,
        health="" if http is None else http.health,
        data_socket=data_socket,
    )


def describe_in(spec: RunSpec, launch: Callable[[], Box], read: Callable[[bytes], Json]) -> list[dict[str, Json]]:
    """One guest, one question: the component's actions.

    Raises:
        Unhealthy: the import failed, or what it declares cannot become actions.
    """
    box = launch()
    try:
        stream = box.stream
        if stream is None:
            raise Unhealthy(component=spec.component, reason="its guest is gone")
        call = {"id": "describe", "action": "", "deadline_s": spec.limits.deadline_s}
        stream.settimeout(spec.limits.deadline_s + 5)
        framing.send_frame(stream, framing.CALL, call, b"null")
        _, _, log = framing.receive_frame(stream)
        _, outcome, data = framing.receive_frame(stream)
    except (OSError, framing.ProtocolError) as error:
        raise Unhealthy(component=spec.component, reason=str(error)) from error
    finally:
        box.destroy()
    if not outcome.get("ok"):
        reason = str(outcome.get("en") or outcome.get("code"))
        raise Unhealthy(component=spec.component, reason=f"{reason}\n{log.decode(errors='replace')}".strip()[-4000:])
    actions = read(data)
    if not isinstance(actions, list):
        raise Unhealthy(component=spec.component, reason="it described no list of actions")
    return actions


def unpacked(path: Path | None) -> tuple[str, ...]:
    """A folder as the tuple that orders take; empty for None."""
    return () if path is None else (str(path),)
