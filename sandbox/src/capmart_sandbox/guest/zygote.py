"""The guest's first process: loads the component once, forks a child per call, and survives whatever the child does.

Rules learnt from failures: it cannot be traced (a child could freeze it), the child is what the kernel kills first
when memory ends, answers are taken by length and never by end of file, and after each call everything the child started
is gone.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import resource
import select
import shutil
import signal
import socket
import sys
import time
import traceback

from . import framing
from .child import RESULT_PREFIX, run_child

TYPE_CHECKING = False
if TYPE_CHECKING:  # the guest starts faster without typing
    from typing import Any

    from .child import Answer

LOG_BYTES = 65_536
_PR_SET_DUMPABLE = 4
_REASON_CHARS = 4000
_GRACE_S = 0.02


def main(address: str) -> None:
    """Serve the host that listens at ``address`` until it goes away."""
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stream.connect(address)
    alone = os.getpid() == 1
    if alone:
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    framing.send_frame(stream, framing.READY, {"pid": os.getpid()})
    try:
        kind, order, _ = framing.receive_frame(stream)
        if kind != framing.INJECT:
            return
        sys.path[:0] = order["paths"]
        os.environ.update(order["env"])
        if order["mode"] == "http":
            from .application import serve_application  # noqa: PLC0415 - only applications need its imports

            serve_application(stream, order)
        else:
            serve_calls(stream, order, alone=alone)
    except (framing.ProtocolError, OSError):
        pass  # the host is gone, and so is the reason to be here
    finally:
        end_everything(alone=alone)
        os._exit(0)


def serve_calls(stream: socket.socket, order: dict[str, Any], *, alone: bool) -> None:
    """Load the component and answer calls."""
    try:
        answer = _load(order)
    except BaseException as error:  # noqa: BLE001 - whatever the component's import raises is its failure, not ours
        framing.send_frame(stream, framing.FAILED, {"reason": last_lines(error)})
        return
    spare = Child(stream, answer, order)
    framing.send_frame(stream, framing.READY, {})
    while True:
        kind, call, body = framing.receive_frame(stream)
        if kind != framing.CALL:
            return
        outcome, result, log, dropped = spare.answer(call, body)
        del body  # not to be inherited by the next fork
        if spare.dead or order["isolation"] != "resident":
            usage = spare.end(alone=alone)
            outcome = {**outcome, **usage} if not outcome.get("reason_code") else spare.explain(outcome, usage)
            if alone:
                empty_folder("/tmp")  # noqa: S108 - the container's own tmpfs; what one call leaves the next must not see
            spare = Child(stream, answer, order)
        framing.send_frame(stream, framing.LOG, {"id": call["id"], "dropped": dropped}, log)
        framing.send_frame(stream, framing.RESULT, {"id": call["id"], **outcome}, result)
        framing.send_frame(stream, framing.DONE, {"id": call["id"]})


def _load(order: dict[str, Any]) -> Answer:
    if order["mode"] == "describe":
        from capmart_component import describe  # noqa: PLC0415 - part of the image, beside the guest

        # pydantic is on the path for this step only
        sys.path.extend(order["describe_paths"])
        module = importlib.import_module(order["entry"])
        return lambda _action, _value: describe(module)
    from capmart_component import collect  # noqa: PLC0415 - part of the image, beside the guest

    actions = collect(importlib.import_module(order["entry"]))
    return lambda action, value: actions[action].call(value)


class Child:
    """One forked process, waiting for its call."""

    def __init__(self, stream: socket.socket, answer: Answer, order: dict[str, Any]) -> None:
        self._limit = order["output_bytes"]
        self._requests, request_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        log_read, log_write = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            stream.close()
            self._requests.close()
            os.close(log_read)
            run_child(request_end, log_write, answer, order)
        request_end.close()
        os.close(log_write)
        os.set_blocking(log_read, False)
        self._log = log_read
        self._status = 0
        self.dead = False

    def answer(self, call: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes, bytes, int]:
        """Let the child work until it answers, dies or the deadline comes: outcome, result, log and bytes dropped."""
        deadline = time.monotonic() + call["deadline_s"]
        log, dropped = bytearray(), 0
        reply = bytearray()
        action = call["action"].encode()
        request = bytearray(RESULT_PREFIX.pack(len(action), len(body)) + action + body)
        self._requests.setblocking(False)  # noqa: FBT003 - the socket module's own signature
        outcome: dict[str, Any] | None = None
        while outcome is None:
            left = deadline - time.monotonic()
            if left <= 0:
                outcome = self._failed("timeout")
                break
            replies, logs = self._requests.fileno(), self._log
            readable, writable, _ = select.select([replies, logs], [replies] if request else [], [], left)
            if writable:
                try:
                    del request[: self._requests.send(request[:262_144])]
                except OSError:
                    request.clear()
            if logs in readable:
                dropped += self._drain(log)
            if replies in readable:
                outcome = self._take(reply)
        dropped += self._drain(log)
        result = bytes(reply[RESULT_PREFIX.size :]) if outcome["ok"] else b""
        return outcome, result, bytes(log), dropped

    def _take(self, reply: bytearray) -> dict[str, Any] | None:
        try:
            part = self._requests.recv(262_144)
        except BlockingIOError:
            return None
        except OSError:
            part = b""
        if not part:
            return self._failed("ended")
        reply += part
        return None if len(reply) < RESULT_PREFIX.size else self._judge(reply)

    def _judge(self, reply: bytearray) -> dict[str, Any] | None:
        status, size = RESULT_PREFIX.unpack_from(reply)
        if size > self._limit + 65_536:
            return self._failed("output_too_large")
        if len(reply) < RESULT_PREFIX.size + size:
            return None
        if status == 0:
            return {"ok": True}
        try:
            problem = json.loads(bytes(reply[RESULT_PREFIX.size : RESULT_PREFIX.size + size]))
        except (ValueError, RecursionError):
            return self._failed("bad_result")
        return {"ok": False, **{key: str(problem.get(key, ""))[:_REASON_CHARS] for key in ("code", "zh", "en")}}

    def _failed(self, code: str) -> dict[str, Any]:
        self.dead = True
        return {"ok": False, "code": code, "zh": "", "en": "", "reason_code": code}

    def _drain(self, log: bytearray) -> int:
        dropped = 0
        for _ in range(64):  # a child that writes without end must not keep us here
            try:
                part = os.read(self._log, 65_536)
            except OSError:
                break
            if not part:
                break
            room = LOG_BYTES - len(log)
            log += part[: max(room, 0)]
            dropped += max(len(part) - max(room, 0), 0)
        return dropped

    def end(self, *, alone: bool) -> dict[str, Any]:
        """Kill the child with all it started and say what it used."""
        if not _wait_for_end(self.pid, _GRACE_S if self.dead else 0.0):
            kill_group(self.pid)
        _, self._status, usage = os.wait4(self.pid, 0)
        kill_group(self.pid)  # what it left behind in its group
        end_everything(alone=alone)
        self._requests.close()
        os.close(self._log)
        return {"cpu_ms": round((usage.ru_utime + usage.ru_stime) * 1000, 3), "peak_kib": usage.ru_maxrss}

    def explain(self, outcome: dict[str, Any], usage: dict[str, Any]) -> dict[str, Any]:
        """Which limit or fault ended a child that gave no answer."""
        code = outcome["reason_code"]
        if code == "ended":
            status = self._status
            if os.WIFSIGNALED(status):
                number = os.WTERMSIG(status)
                code = "oom" if number == signal.SIGKILL else "crashed"
                outcome["en"] = outcome["zh"] = f"signal {signal.Signals(number).name}"
            elif os.WEXITSTATUS(status):
                code, outcome["en"] = "crashed", f"exit code {os.WEXITSTATUS(status)}"
                outcome["zh"] = f"退出码 {os.WEXITSTATUS(status)}"
            else:
                code = "no_result"
        return {"ok": False, "code": code, "zh": outcome["zh"], "en": outcome["en"], **usage}


def _wait_for_end(pid: int, grace_s: float) -> bool:
    """Whether the child is dead already or dies within the grace; leaves it to be reaped."""
    until = time.monotonic() + grace_s
    while True:
        found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if found is not None:
            return True
        if time.monotonic() >= until:
            return False
        time.sleep(0.002)


def kill_group(pid: int) -> None:
    """Kill the child and the process group that it leads, or does not lead yet."""
    for kill in (os.kill, os.killpg):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def end_everything(*, alone: bool) -> None:
    """As the first process of a container: kill and reap every other process, daemons included."""
    if not alone:
        return
    while True:
        try:
            os.kill(-1, signal.SIGKILL)
        except ProcessLookupError:
            break
        try:
            while os.waitpid(-1, 0)[0]:
                pass
        except ChildProcessError:
            continue


def empty_folder(path: str) -> None:
    """Remove what is in a folder; what cannot be removed is left."""
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)  # noqa: PTH108 - pathlib costs every start 3 ms


def last_lines(error: BaseException) -> str:
    """The end of a traceback, without the guest's own frames."""
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return text[-_REASON_CHARS:]


def set_limits(order: dict[str, Any]) -> None:
    """Limits that a process can set on itself; in a container the engine's are the authority."""
    if order.get("rlimit_bytes"):
        resource.setrlimit(resource.RLIMIT_AS, (order["rlimit_bytes"], order["rlimit_bytes"]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
