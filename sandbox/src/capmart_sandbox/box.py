"""A box: one running guest as the host sees it, whatever runs it, and the calls that go into it."""

from __future__ import annotations

import logging
import secrets
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from capmart_core.errors import Unhealthy
from capmart_sandbox.guest import framing
from capmart_sandbox.wire import Frame, GuestDeviated, GuestGone, Wire

_log = logging.getLogger("capmart.sandbox")

_REASON_CHARS = 4000
_POLL_S = 0.2
_SWEEP_S = 1.0  # after a fork bomb it takes a tenth of that


@dataclass(frozen=True)
class Ended:
    """Why a box is over, as the engine or the kernel tells it.

    Attributes:
        error: kind of the failure: ``oom`` or ``crashed``.
        en: the reason.
        zh: the same in Chinese.
    """

    error: str
    en: str
    zh: str


@dataclass
class Outcome:
    """How one call ended.

    Attributes:
        error: kind of the failure; None when there is a result.
        body: the result, JSON text.
        header: what the guest said of the failure.
        log: what the call printed, within its allowance.
        log_dropped: bytes beyond it.
        cpu_ms: processor time, as the kernel counted it.
        peak_mib: peak memory, likewise.
        at_pids: whether the kernel refused it another process or thread.
    """

    error: str | None = None
    body: bytes = b""
    header: Mapping[str, Any] = field(default_factory=dict)
    log: bytearray = field(default_factory=bytearray)
    log_dropped: int = 0
    cpu_ms: float | None = None
    peak_mib: float | None = None
    at_pids: bool = False
    _dropped_here: int = 0

    def use(self, header: Mapping[str, Any]) -> None:
        """Take from a frame what the call used; the last word counts."""
        cpu, peak, dropped = header.get("cpu_ms"), header.get("peak_kib"), header.get("log_dropped")
        if isinstance(cpu, int | float) and cpu > 0:
            self.cpu_ms = float(cpu)
        if isinstance(peak, int) and peak > 0:
            self.peak_mib = round(peak / 1024, 2)
        if isinstance(dropped, int) and dropped >= 0:
            self.log_dropped = dropped + self._dropped_here

    def add_log(self, data: bytes, most: int) -> None:
        """Keep what fits, and count the rest."""
        room = max(0, most - len(self.log))
        self.log += data[:room]
        self._dropped_here += len(data[room:])
        self.log_dropped += len(data[room:])


class Box(ABC):
    """One running guest. Used by one thread at a time, except for :meth:`destroy`."""

    def __init__(self, component: str, wire: Wire, *, kill_grace_s: float, log_max: int) -> None:
        self.component, self.wire = component, wire
        self._kill_grace_s, self._log_max = kill_grace_s, log_max
        self.actions: tuple[str, ...] = ()
        self._tail = bytearray()
        self._unsettled: str | None = None
        self._clean = True
        self._first: Frame | None = None

    @abstractmethod
    def alive(self) -> bool:
        """Whether everything that belongs to it still runs, as far as the engine or the kernel knows."""

    @abstractmethod
    def autopsy(self) -> Ended:
        """Why it is over; asked before :meth:`destroy`."""

    @abstractmethod
    def destroy(self) -> None:
        """End it and everything it started, and remove what it leaves; twice is harmless."""

    def log_tail(self) -> str:
        """The end of what it wrote outside of calls."""
        return clean_log(self._tail).strip()

    def note(self, data: bytes) -> None:
        """Keep the end of what was printed outside of calls."""
        self._tail += data
        del self._tail[: -self._log_max]

    def greet(self, hello_s: float) -> None:
        """Wait until the guest has reported, long before it is told what to load.

        Raises:
            Unhealthy: it does not report.
        """
        try:
            self._first = self._await(hello_s)
        except (TimeoutError, GuestGone, GuestDeviated) as error:
            raise self._unhealthy("its guest does not report", "沙箱内的程序没有应答") from error

    def inject(self, order: Mapping[str, Any], passed: socket.socket | None, *, hello_s: float, ready_s: float) -> None:
        """Have the guest load the component and wait until it takes calls.

        Args:
            order: header of the INJECT frame.
            passed: listening socket of an HTTP component.
            hello_s: time for the guest to report, seconds.
            ready_s: time for import or readiness after that, seconds.

        Raises:
            Unhealthy: it does not start.
        """
        try:
            first, self._first = self._first or self._await(hello_s), None
            if first.kind == framing.HELLO:
                deadline = time.monotonic() + ready_s
                if passed is None:
                    self.wire.send(framing.INJECT, dict(order), deadline=deadline)
                else:
                    self.wire.send_with_socket(framing.INJECT, dict(order), passed, deadline=deadline)
                first = self._await(ready_s)
            self._take_ready(first)
        except TimeoutError as error:
            reason = f"it was not ready within {ready_s:g} s"
            raise self._unhealthy(reason, f"{ready_s:g} 秒内未就绪") from error
        except GuestGone as error:
            ended = self.autopsy()
            raise self._unhealthy(ended.en, ended.zh) from error
        except (GuestDeviated, framing.FrameError) as error:
            raise self._unhealthy(f"it broke the protocol: {error}", f"违反协议：{error}") from error

    def _await(self, timeout_s: float) -> Frame:
        """The next frame that is not a log, while the box lives."""
        end = time.monotonic() + timeout_s
        while True:
            try:
                frame = self.wire.receive(deadline=min(end, time.monotonic() + _POLL_S))
            except TimeoutError:
                if time.monotonic() >= end:
                    raise
                if not self.alive():
                    raise GuestGone from None
                continue
            if frame.kind != framing.LOG:
                return frame
            self.note(frame.body)

    def _take_ready(self, frame: Frame) -> None:
        if frame.kind == framing.READY:
            actions = frame.header.get("actions", ())
            if isinstance(actions, list) and all(isinstance(name, str) for name in actions):
                self.actions = tuple(actions)
                return
        if frame.kind in {framing.FAILED, framing.EXIT}:
            reason = str(frame.header.get("reason", ""))
            raise self._unhealthy(reason, str(frame.header.get("reason_zh", reason)))
        raise GuestDeviated(f"unexpected {framing.NAMES[frame.kind]}")

    def _unhealthy(self, en: str, zh: str) -> Unhealthy:
        log = self.log_tail()
        parts = [part for part in (en, log) if part]
        return Unhealthy(
            component=self.component,
            reason="\n".join(parts)[-_REASON_CHARS:],
            reason_zh="\n".join([zh, log] if log else [zh])[-_REASON_CHARS:],
        )

    def call(self, action: str, body: bytes, deadline_s: float) -> Outcome:
        """Send one call and wait for its answer; the host's clock is the authority on the deadline.

        A result is returned as soon as it is there, with what the call's own process used; that the guest has swept
        what the call left is waited for by :meth:`settle`. A failure is returned when all is known of it.
        """
        call_id = secrets.token_hex(16)
        outcome = Outcome()
        self._clean = False
        end = time.monotonic() + deadline_s + self._kill_grace_s
        header = {"id": call_id, "action": action, "deadline_ms": max(1, round(deadline_s * 1000))}
        try:
            self.wire.send(framing.CALL, header, body, deadline=end)
            while (frame := self._next_of(call_id, end)).kind == framing.LOG:
                outcome.add_log(frame.body, self._log_max)
            _expect(frame.kind == framing.RESULT, frame)
            self._take_result(outcome, frame)
            self._unsettled = call_id
            if outcome.error is not None:
                self._take_done(outcome)
        except TimeoutError:
            outcome.error = outcome.error or "timeout"
        except GuestGone:
            if outcome.error is None:
                ended = self.autopsy()
                outcome.error, outcome.header = ended.error, {"reason": ended.en, "reason_zh": ended.zh}
        except (GuestDeviated, framing.FrameError) as error:
            _log.warning("%s broke the protocol and is replaced: %s", self.component, error)
            outcome.error = "crashed"
            outcome.header = {"reason": f"it broke the protocol: {error}", "reason_zh": f"违反协议：{error}"}
        return outcome

    def settle(self) -> bool:
        """Wait until the last call is swept; whether the box can take another."""
        try:
            if self._unsettled is not None:
                self._take_done(Outcome())
            return self._clean and self.wire.quiet()
        except (TimeoutError, GuestGone, GuestDeviated):
            return False

    def _take_done(self, outcome: Outcome) -> None:
        call_id, self._unsettled = self._unsettled or "", None
        self._clean = False
        end = time.monotonic() + max(self._kill_grace_s, _SWEEP_S)
        while (frame := self._next_of(call_id, end)).kind == framing.LOG:
            outcome.add_log(frame.body, self._log_max)
        _expect(frame.kind == framing.DONE, frame)
        outcome.use(frame.header)
        outcome.at_pids = frame.header.get("pids") is True
        self._clean = frame.header.get("clean") is True

    def _next_of(self, call_id: str, end: float) -> Frame:
        frame = self.wire.receive(deadline=end)
        if frame.header.get("id") != call_id:
            raise GuestDeviated("an answer that belongs to no call")
        return frame

    @staticmethod
    def _take_result(outcome: Outcome, frame: Frame) -> None:
        outcome.use(frame.header)
        if frame.header.get("ok") is True:
            outcome.body = frame.body
            return
        outcome.error = str(frame.header.get("error", "crashed"))
        outcome.header = frame.header


def _expect(condition: bool, frame: Frame) -> None:  # noqa: FBT001 - reads as a sentence
    if not condition:
        raise GuestDeviated(f"unexpected {framing.NAMES[frame.kind]}")


def clean_log(data: bytes | bytearray) -> str:
    """What a component wrote, safe to show: control characters and invalid UTF-8 are spelled out."""
    text = data.decode("utf-8", "backslashreplace").replace("\r\n", "\n")
    if text.isprintable():
        return text
    return "".join(c if c in "\n\t" or c.isprintable() else c.encode("unicode_escape").decode() for c in text)
