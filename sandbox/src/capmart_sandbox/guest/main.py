"""Where the guest begins: dial the host, say hello, take the component that is injected, and serve it."""

from __future__ import annotations

import gc
import importlib
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from . import framing, system
from .channel import Channel
from .child import REASON, Action, reasons, trace
from .forward import Application, Forwarder
from .supervisor import Supervisor

_SIGNALS_DEFAULT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCHLD)


def main(arguments: list[str]) -> None:
    """Serve one component until the host is gone.

    Args:
        arguments: ``connect PATH``, ``fd NUMBER`` or ``stdio``: where the host is.
    """
    own_box = os.getpid() == 1
    try:
        if own_box:
            system.protect_runner()
        else:
            system.adopt_orphans()
        _quiet_signals()
        channel = _dial(arguments)
        _warm_up()
        channel.send(framing.HELLO, {"v": framing.VERSION, "python": sys.version.split()[0], "pid": os.getpid()})
        kind, inject, _ = channel.receive()
        if kind != framing.INJECT or inject.get("v") != framing.VERSION:
            raise framing.FrameError("expected INJECT of this version")  # noqa: TRY301 - one way out for all
        _serve(channel, inject, own_box=own_box)
    except (framing.EndOfStream, BrokenPipeError, ConnectionResetError):
        _end(own_box=own_box, code=0)
    except BaseException:  # noqa: BLE001 - nothing may keep a broken runner alive
        sys.excepthook(*sys.exc_info())
        _end(own_box=own_box, code=70)


def _end(*, own_box: bool, code: int) -> None:
    if not own_box:  # a process namespace ends with its process 1; here what is left is ended by hand
        system.sweep_tree(system.Reaped())
    os._exit(code)


def _quiet_signals() -> None:
    """No handler of Python's: process 1 is immune to every signal of its box that it does not handle."""
    for number in _SIGNALS_DEFAULT:
        signal.signal(number, signal.SIG_DFL)


def _dial(arguments: list[str]) -> Channel:
    match arguments:
        case ["connect", path]:
            return Channel.connect(path)
        case ["fd", number]:
            return Channel.over(socket.socket(fileno=int(number)))
        case _:
            return Channel.stdio()


def _warm_up() -> None:
    """Do what every component needs while the host is still busy, or has no component yet."""
    import capmart_component  # noqa: F401, PLC0415

    gc.collect()
    gc.freeze()  # so that the collection before the first call looks at what the component brought alone


def _serve(channel: Channel, inject: dict[str, Any], *, own_box: bool) -> None:
    paths = [str(path) for path in inject.get("paths", ())]
    sys.path += paths
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    os.environ.update({str(name): str(value) for name, value in inject.get("env", {}).items()})
    if memory := inject.get("memory_mib"):
        system.limit_memory(int(memory))
    mode = inject["mode"]
    if mode in {"http", "forward"}:
        entry = str(inject["entry"]) if mode == "http" else None
        application = None if entry is None else Application(channel, partial(_run_entry, entry), own_box=own_box)
        Forwarder(channel, application, port=int(inject["port"]), health=str(inject["health"])).serve()
    started, runner = time.monotonic(), os.getpid()
    try:
        actions = _actions(mode, str(inject["entry"]))
        _end_copy(runner)
    except BaseException as error:  # noqa: BLE001 - whatever an import raises means that the component does not start
        _end_copy(runner)
        channel.send(framing.FAILED, {"error": "unhealthy", **_import_reasons(error)})
        raise framing.EndOfStream from None
    _quiet_signals()
    gc.enable()
    system.end_leftovers(own_box=own_box)
    ready = {
        "v": framing.VERSION,
        "actions": sorted(actions),
        "import_ms": round((time.monotonic() - started) * 1000, 1),
    }
    channel.send(framing.READY, ready)
    Supervisor(
        channel,
        actions,
        output_max=int(inject["output_max"]),
        log_max=int(inject["log_max"]),
        tmp=str(inject["tmp"]),
        own_box=own_box,
        resident=inject.get("isolation") == "resident",
    ).serve()


def _end_copy(runner: int) -> None:
    """End here in a process that the import forked: it must not speak to the host in the runner's name."""
    if os.getpid() != runner:
        os._exit(0)


def _actions(mode: str, entry: str) -> Mapping[str, Action]:
    from capmart_component import collect, describe  # noqa: PLC0415 - warm already

    if mode == "describe":
        return {"describe": lambda _value: describe(_attribute(entry))}
    return {name: action.call for name, action in collect(_attribute(entry)).items()}


def _attribute(entry: str) -> Any:
    """The module ``entry`` names, or what ``module:name`` names in it."""
    module, _, name = entry.partition(":")
    found = importlib.import_module(module)
    return getattr(found, name) if name else found


def _run_entry(entry: str) -> None:
    _attribute(entry)()


def _import_reasons(error: BaseException) -> dict[str, str]:
    names = {cls.__name__ for cls in type(error).__mro__ if cls.__module__.partition(".")[0] == "capmart_component"}
    if "DeclarationError" in names:
        return reasons(str(getattr(error, "en", error)), str(getattr(error, "zh", error)))
    text = trace(error)[-REASON:]
    return reasons(text, text)
