"""The process that runs the component's code for a call, and ends with it."""

from __future__ import annotations

import ctypes
import json
import os
import struct
import sys
import traceback

TYPE_CHECKING = False
if TYPE_CHECKING:  # the guest starts faster without typing
    import socket
    from collections.abc import Callable
    from typing import Any, NoReturn

    Answer = Callable[[str, Any], Any]

RESULT_PREFIX = struct.Struct(">II")
"""Before a request: sizes of the action's name and the input. Before a reply: 0 for a result, 1 for a problem; size."""

_PR_SET_DUMPABLE = 4
_OK, _PROBLEM = 0, 1


def run_child(requests: socket.socket, log: int, answer: Answer, order: dict[str, Any]) -> NoReturn:
    """Answer requests until the parent closes the stream; never returns."""
    try:
        _settle(log, order)
        while True:
            _answer_one(requests, answer, order["output_bytes"])
    except BaseException:  # noqa: BLE001 - whatever happens here ends in an exit code that the parent explains
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(70)


def _settle(log: int, order: dict[str, Any]) -> None:
    from .zygote import set_limits  # noqa: PLC0415 - loaded already; the import would be circular at the top

    os.setsid()
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)
    try:
        with open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123 - pathlib costs every start 3 ms
            file.write("1000")
    except OSError:
        pass
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(null)
    os.close(log)
    set_limits(order)


def _answer_one(requests: socket.socket, answer: Answer, limit: int) -> None:
    action_size, size = RESULT_PREFIX.unpack(_exactly(requests, RESULT_PREFIX.size))
    action = _exactly(requests, action_size).decode()
    data = _exactly(requests, size)
    try:
        status, reply = _OK, _spell(answer(action, json.loads(data)), limit)
    except _Problem as problem:
        status, reply = _PROBLEM, problem.spell()
    except MemoryError:
        status, reply = _PROBLEM, _Problem("oom", "", "").spell()
    except Exception as error:  # noqa: BLE001 - the component's own failure becomes its answer
        status, reply = _PROBLEM, _explain(error).spell()
    sys.stdout.flush()
    sys.stderr.flush()
    requests.sendall(RESULT_PREFIX.pack(status, len(reply)) + reply)


class _Problem(Exception):  # noqa: N818 - becomes the answer
    def __init__(self, code: str, zh: str, en: str) -> None:
        super().__init__(en)
        self.code, self.zh, self.en = code, zh, en

    def spell(self) -> bytes:
        return json.dumps({"code": self.code, "zh": self.zh[:4000], "en": self.en[:4000]}).encode()


def _spell(value: Any, limit: int) -> bytes:
    try:
        data = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError, UnicodeEncodeError) as error:
        raise _Problem("bad_result", str(error), str(error)) from None
    if len(data) > limit:
        raise _Problem("output_too_large", "", "")
    return data


def _explain(error: Exception) -> _Problem:
    from capmart_component import ActionError, ResultError  # noqa: PLC0415 - loaded already by the component

    if isinstance(error, ActionError):
        return _Problem("component_raised", error.zh, error.en)
    if isinstance(error, ResultError):
        return _Problem("bad_result", str(error), str(error))
    traceback.print_exc()
    reason = f"{type(error).__name__}: {error}"
    return _Problem("component_raised", reason, reason)


def _exactly(stream: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = stream.recv(min(size - len(parts), 262_144))
        if not part:
            os._exit(0)  # the parent has no more for this child
        parts += part
    return bytes(parts)
