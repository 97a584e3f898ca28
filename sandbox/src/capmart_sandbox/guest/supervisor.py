"""The runner: process 1 of a box (or an ordinary process, without isolation) that forks a process per call.

It imports the component once, keeps one child forked and waiting, relays one call at a time, and between calls ends
every process that the call left, empties ``/tmp`` and checks that nobody changed the runner itself. What it relays
passes through buffers that it zeroes, because the next fork inherits its memory.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import time
from collections.abc import Mapping
from typing import Any, NoReturn

from . import framing, system
from .channel import Channel
from .child import Action, Pipes, enter, reasons, renew_streams, serve, write_all

_CHUNK = 65_536
_DRAIN_ROUNDS = 64


class Call:
    """One call under way, as the runner sees it."""

    def __init__(self, call_id: str, deadline: float, log_max: int) -> None:
        self.id, self.deadline, self.log_left, self.log_dropped = call_id, deadline, log_max, 0
        self.failed = False


class Reply:
    """The frame that a child writes, as far as it has come."""

    def __init__(self, fd: int, output_max: int) -> None:
        self._fd, self._output_max = fd, output_max
        self.data = bytearray(framing.PREFIX.size)
        self._have = 0
        self.head = 0
        self.cut_off = False

    @property
    def complete(self) -> bool:
        """Whether all of it is here."""
        return self.head > 0 and self._have == len(self.data)

    def advance(self) -> None:
        """Read what there is; ``cut_off`` says that no more will come.

        Raises:
            FrameError: it is no RESULT frame.
            TooMuch: its body is over the limit.
        """
        while not self.complete:
            try:
                with memoryview(self.data) as view:
                    count = os.readv(self._fd, [view[self._have :]])
            except BlockingIOError:
                return
            if count == 0:
                self.cut_off = True
                return
            self._have += count
            if self.head == 0 and self._have == framing.PREFIX.size:
                kind, header, body = framing.unpack_prefix(self.data, max_body=0xFFFF_FFFF)
                if kind != framing.RESULT:
                    raise framing.FrameError("a call answers with RESULT")
                if body > self._output_max:
                    raise TooMuch(body)
                self.head = framing.PREFIX.size + header
                self.data += bytes(header + body)

    def header(self) -> dict[str, Any]:
        """The header of the complete frame."""
        return framing.read_header(self.data[framing.PREFIX.size : self.head])

    def zero(self) -> None:
        """Forget it."""
        self.data[:] = bytes(len(self.data))


class TooMuch(Exception):  # noqa: N818 - caught where the reply is read
    """A reply says that it is larger than allowed."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


class Child:
    """A forked process and the runner's ends of its pipes."""

    def __init__(self, pid: int, request: int, reply: int, log: int, host: int) -> None:
        self.pid, self.request, self.reply, self.log = pid, request, reply, log
        self.watch = system.watch(pid)
        os.set_blocking(log, False)
        os.set_blocking(reply, False)
        self.poller = select.poll()
        for fd in (host, reply, log, self.watch):
            if fd >= 0:
                self.poller.register(fd, select.POLLIN)

    def close(self) -> None:
        """Let go of its pipes."""
        for fd in (self.request, self.reply, self.log, self.watch):
            if fd >= 0:
                os.close(fd)

    def ended(self, *, wait_s: float = 0.0) -> bool:
        """Whether it has ended; it stays to be reaped by the sweep."""
        end = time.monotonic() + wait_s
        while os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
            if time.monotonic() >= end:
                return False
            time.sleep(0.002)
        return True

    def cpu_s(self) -> float:
        """Processor seconds so far: another process's clock, made as clock_getcpuclockid(3) does."""
        try:
            return time.clock_gettime((~self.pid << 3) | 2)
        except OSError:
            return 0.0

    def peak_kib(self) -> int:
        """Peak memory so far; 0 when it has ended."""
        try:
            with open(f"/proc/{self.pid}/status", "rb", 0) as file:  # noqa: PTH123 - pathlib costs every start 3 ms
                text = file.read(_CHUNK)
        except OSError:
            return 0
        _, found, rest = text.partition(b"VmHWM:")
        return int(rest.split(None, 1)[0]) if found else 0


def _usage(cpu_s: float, peak_kib: int, call: Call) -> dict[str, Any]:
    return {"cpu_ms": round(cpu_s * 1000, 3), "peak_kib": peak_kib, "log_dropped": call.log_dropped}


class Supervisor:
    """Answers calls until the host is gone.

    Args:
        channel: the line to the host.
        actions: by name, ready to be called in a forked child.
        output_max: bytes of one result.
        log_max: bytes of output kept of one call.
        tmp: the folder emptied after each call.
        own_box: whether this is process 1 of a process namespace of its own.
        resident: one child answers all calls and keeps its state.
    """

    def __init__(
        self,
        channel: Channel,
        actions: Mapping[str, Action],
        *,
        output_max: int,
        log_max: int,
        tmp: str,
        own_box: bool,
        resident: bool,
    ) -> None:
        self._channel, self._actions = channel, actions
        self._output_max, self._log_max, self._tmp = output_max, log_max, tmp
        self._own_box, self._resident = own_box, resident
        self._oom, self._pids = system.oom_counter(), system.pids_counter()
        self._posture = system.posture()
        self._buffer = bytearray(_CHUNK)
        self._before_s = 0.0
        self._measured = (0.0, 0)

    def serve(self) -> NoReturn:
        """Relay calls until the host closes the line.

        Raises:
            EndOfStream: it did.
        """
        gc.collect()
        gc.freeze()
        child: Child | None = None
        while True:
            child = child or self._fork()
            kind, header, frame = self._channel.receive()
            if kind == framing.CANCEL:
                continue  # it crossed the answer on the way
            if kind != framing.CALL:
                raise framing.FrameError(f"unexpected {framing.NAMES[kind]}")
            child = self._call(child, header, frame)

    def _fork(self) -> Child:
        self._oom.rose()
        self._pids.rose()
        request_read, request_write = os.pipe()
        reply_read, reply_write = os.pipe()
        log_read, log_write = os.pipe()
        pid = os.fork()
        if pid == 0:
            code = 70
            try:
                self._channel.close_in_child()
                for fd in (request_write, reply_read, log_read):
                    os.close(fd)
                enter(log_write, own_box=self._own_box)
                os.close(log_write)
                renew_streams()
                pipes = Pipes(request_read, reply_write)
                serve(pipes, self._actions, output_max=self._output_max, once=not self._resident)
                code = 0
            finally:
                os._exit(code)
        for fd in (request_read, reply_write, log_write):
            os.close(fd)
        return Child(pid, request_write, reply_read, log_read, self._channel.read_fd)

    def _call(self, child: Child, header: dict[str, Any], frame: memoryview) -> Child | None:
        """Relay one call; the child if it goes on to the next."""
        call = Call(str(header["id"]), time.monotonic() + header["deadline_ms"] / 1000, self._log_max)
        self._before_s = child.cpu_s() if self._resident else 0.0
        try:
            write_all(child.request, frame)
        except BrokenPipeError:
            pass  # it is gone; why is found out below
        finally:
            frame[:] = bytes(len(frame))
        stays = self._relay(call, child) and self._resident
        total = system.Reaped()
        clean = True
        if stays:
            total.cpu_s, total.peak_kib = self._measured
        else:
            self._sweep(total)
            self._drain(call, child, _DRAIN_ROUNDS)
            child.close()
            clean = system.wipe(self._tmp) and system.posture() == self._posture and not self._resident
        done = {"clean": clean, "pids": call.failed and self._pids.rose()}
        self._channel.send(framing.DONE, {"id": call.id, **done, **_usage(total.cpu_s, total.peak_kib, call)})
        return child if stays else None

    def _relay(self, call: Call, child: Child) -> bool:
        """Wait for the child's answer and send it on; False when the child must go."""
        poller = child.poller
        reply = Reply(child.reply, self._output_max)
        while (left := call.deadline - time.monotonic()) > 0:
            if child.watch < 0:
                left = min(left, 0.05)
            ready = {fd for fd, _ in poller.poll(max(1, round(left * 1000)))}
            if self._channel.read_fd in ready and self._cancelled(call):
                return self._fail(call, "cancelled")
            if child.log in ready and not self._drain(call, child, 1):
                poller.unregister(child.log)
            gone = child.watch in ready or (child.watch < 0 and child.ended())
            if child.reply in ready or gone:
                stays = self._hear(call, child, reply, gone=gone)
                if stays is not None:
                    return stays
                if reply.cut_off:  # by the component itself, which goes on: its end or its deadline will come
                    poller.unregister(child.reply)
        return self._fail(call, "timeout")

    def _hear(self, call: Call, child: Child, reply: Reply, *, gone: bool) -> bool | None:
        """Take what has come of the answer; whether the child stays, or None when the wait goes on."""
        try:
            reply.advance()
            if reply.complete:
                return self._answer(call, child, reply)
        except TooMuch as error:
            return self._fail(call, "output_too_large", size=error.size)
        except framing.FrameError:
            return self._fail(call, "violation")
        if gone or (reply.cut_off and child.ended(wait_s=0.2)):
            return self._fail_ended(call, child)
        return None

    def _answer(self, call: Call, child: Child, reply: Reply) -> bool:
        header = reply.header()
        if header.get("id") != call.id or not isinstance(header.get("ok"), bool):
            return self._fail(call, "violation")
        self._drain(call, child, _DRAIN_ROUNDS)
        self._measured = child.cpu_s() - self._before_s, child.peak_kib()
        header |= _usage(*self._measured, call)
        with memoryview(reply.data) as view:
            body = view[reply.head :]
            self._channel.send_raw(framing.pack(framing.RESULT, header, len(body)), body)
            body.release()
        reply.zero()
        call.failed = header["ok"] is not True
        return header.get("error") not in {"oom", "no_result"}

    def _fail(self, call: Call, error: str, **more: object) -> bool:
        """Say what went wrong at once; what it used follows with DONE."""
        call.failed = True
        self._channel.send(framing.RESULT, {"id": call.id, "ok": False, "error": error, **more})
        return False

    def _fail_ended(self, call: Call, child: Child) -> bool:
        """The child ended without an answer: say why."""
        info = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        if info is None or (info.si_code == os.CLD_EXITED and info.si_status == 0):
            return self._fail(call, "no_result")
        code = info.si_status
        if info.si_code == os.CLD_EXITED:
            return self._fail(call, "crashed", **reasons(f"ended with exit code {code}", f"以退出码 {code} 结束"))
        if code == signal.SIGKILL and self._oom.rose():
            return self._fail(call, "oom")
        name = signal.Signals(code).name if code in set(signal.Signals) else str(code)
        return self._fail(call, "crashed", **reasons(f"ended by signal {name}", f"被信号 {name} 终止"))

    def _cancelled(self, call: Call) -> bool:
        kind, header, _ = self._channel.receive()
        if kind != framing.CANCEL:
            raise framing.FrameError(f"unexpected {framing.NAMES[kind]}")
        return header.get("id") == call.id

    def _drain(self, call: Call, child: Child, rounds: int) -> bool:
        """Pass on what the call printed, within its allowance; False when every writer is gone."""
        for _ in range(rounds):
            try:
                count = os.readv(child.log, [self._buffer])
            except BlockingIOError:
                return True
            if count == 0:
                return False
            kept = min(count, call.log_left)
            call.log_left -= kept
            call.log_dropped += count - kept
            if kept:
                with memoryview(self._buffer) as view:
                    self._channel.send(framing.LOG, {"id": call.id}, view[:kept])
            self._buffer[:count] = bytes(count)
        return True

    def _sweep(self, total: system.Reaped) -> None:
        if self._own_box:
            system.sweep_box(total)
        else:
            system.sweep_tree(total)
