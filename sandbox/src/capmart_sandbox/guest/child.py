"""The process in which one call runs: forked from the runner, it answers on its own pipe and ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from json import dumps, loads  # bound now: a component may put its own in the module
from typing import Any

from . import framing, system

Action = Callable[[Any], Any]

REASON = 3000  # characters; a header has 64 KiB, and a character may be spelled with six bytes
_DETAIL = 4000
_CHUNK = 65_536


class Pipes:
    """The ends that a child keeps: it reads requests and writes replies."""

    def __init__(self, request: int, reply: int) -> None:
        self.request, self.reply = request, reply


def enter(log: int, *, own_box: bool) -> None:
    """What every forked process does first: a session of its own, no protection, output into ``log``."""
    os.setsid()
    if own_box:
        system.expose_call()
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)


def renew_streams() -> None:
    """Python's own view of the descriptors: a line is out when it ends, whatever happens to the process after it."""
    for fd, name in ((1, "stdout"), (2, "stderr")):
        stream = open(fd, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115 - a descriptor, for the life of the process
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def serve(pipes: Pipes, actions: Mapping[str, Action], *, output_max: int, once: bool) -> None:
    """Answer requests until the runner closes the pipe; one only, when isolated."""
    _rehearse(output_max)
    while True:
        frame = _read_request(pipes.request)
        if frame is None:
            return
        header, body = frame
        answer, result = run(actions, str(header.get("action")), body, output_max)
        del body
        flush()
        answer["id"] = header.get("id")
        write_all(pipes.reply, framing.pack(framing.RESULT, answer, len(result)) + result)
        del result
        if once:
            os.read(pipes.request, 1)  # the runner measures this process, and then ends it
            return


def _rehearse(output_max: int) -> None:
    """Walk the way of a call before there is one: the pages that it writes to are copied now, while nobody waits."""
    run({"": _nothing}, "", b'{"a":[1,2.5,"b"]}', output_max)
    framing.pack(framing.RESULT, framing.read_header(b'{"id":"0"}'))
    flush()


def _nothing(value: Any) -> Any:
    return value


def run(actions: Mapping[str, Action], name: str, body: bytes, output_max: int) -> tuple[dict[str, Any], bytes]:
    """Run one action; the RESULT frame's header without its id, and its body."""
    action = actions.get(name)
    if action is None:
        return {"ok": False, "error": "component_raised", **reasons(f"no action {name!r}", f"没有动作 {name!r}")}, b""
    try:
        result = action(loads(body))
    except BaseException as error:  # noqa: BLE001 - whatever it raises ends this call and nothing else
        return failure(error), b""
    try:
        data = dumps(result, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except MemoryError:
        return {"ok": False, "error": "oom", **reasons("no memory left for the result", "内存不足以容纳结果")}, b""
    except (TypeError, ValueError, RecursionError) as error:
        return {"ok": False, "error": "bad_result", **reasons(_short(error), _short(error))}, b""
    if len(data) > output_max:
        return {"ok": False, "error": "output_too_large", "size": len(data)}, b""
    return {"ok": True}, data


def failure(error: BaseException) -> dict[str, Any]:
    """What a raised exception means to the caller."""
    if isinstance(error, SystemExit):
        return {"ok": False, "error": "no_result"}
    if isinstance(error, MemoryError):
        return {"ok": False, "error": "oom", **reasons("MemoryError", "MemoryError")}
    names = {cls.__name__ for cls in type(error).__mro__ if cls.__module__.partition(".")[0] == "capmart_component"}
    if "ResultError" in names:
        return {"ok": False, "error": "bad_result", **reasons(_short(error), _short(error))}
    said: dict[str, Any] = {"ok": False, "error": "component_raised", "exception": type(error).__name__}
    if names & {"ActionError", "DeclarationError"}:
        said.update(reasons(str(getattr(error, "en", error)), str(getattr(error, "zh", error))), refused=True)
        return said
    said.update(reasons(_short(error), _short(error)), detail=trace(error))
    return said


def reasons(en: str, zh: str) -> dict[str, str]:
    """The reason in both languages, bounded."""
    return {"reason": en[:REASON], "reason_zh": zh[:REASON]}


def trace(error: BaseException) -> str:
    """The end of the traceback, for the author."""
    import traceback  # noqa: PLC0415 - 5 ms that only failures need

    try:
        return "".join(traceback.format_exception(error))[-_DETAIL:]
    except Exception:  # noqa: BLE001 - an exception may fail to be shown
        return ""


def _short(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - same
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def flush() -> None:
    """Push out what the component printed."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue


def write_all(fd: int, data: bytes | bytearray | memoryview) -> None:
    """Write all of ``data``."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _read_request(fd: int) -> tuple[dict[str, Any], bytes] | None:
    data = os.read(fd, _CHUNK)
    wanted = framing.PREFIX.size
    while data:
        if len(data) >= wanted:
            _kind, header_length, body_length = framing.unpack_prefix(data)
            start = framing.PREFIX.size + header_length
            wanted = start + body_length
            if len(data) >= wanted:
                return framing.read_header(data[framing.PREFIX.size : start]), data[start:]
        more = os.read(fd, max(_CHUNK, wanted - len(data)))
        if not more:
            return None
        data += more
    return None
