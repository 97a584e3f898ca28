"""Instances of components that speak HTTP: a door on this machine, calls as POSTs, a new box when the last ended."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from capmart_core.canonical import parse_json
from capmart_core.errors import ActionNotFound, InvalidJson, Unhealthy
from capmart_core.manifest.models import Http
from capmart_core.ports.runner import CallResult, RunSpec, Usage
from capmart_sandbox.admission import Admission
from capmart_sandbox.box import Box, Ended, Outcome, clean_log
from capmart_sandbox.guest import framing
from capmart_sandbox.instances import BoxInstance
from capmart_sandbox.rendezvous import Door
from capmart_sandbox.restarts import Restarts
from capmart_sandbox.settings import SandboxSettings
from capmart_sandbox.wire import FOREVER, GuestDeviated, GuestGone

_PROBE_S = 2.0
_LAST_WORDS_S = 0.5
_PROBLEM_BYTES = 65_536


class HttpInstance(BoxInstance):
    """A component that serves HTTP; callers are served side by side.

    Args:
        door: where clients of this machine connect; closed with the instance.
        port: the component's HTTP section.
    """

    def __init__(
        self,
        spec: RunSpec,
        settings: SandboxSettings,
        admission: Admission,
        launch: Callable[[], Box],
        door: Door,
        http: Http,
    ) -> None:
        self._door, self._http = door, http
        self._watch: _Watch | None = None
        self._suspect = False
        self._restarts = Restarts(spec.component)
        self._start = launch
        try:
            super().__init__(spec, settings, admission, self._start_when_due)
            self._watch = _Watch(self._box) if self._box is not None else None
        except BaseException:
            door.close()
            raise

    @property
    def socket(self) -> Path | None:
        """Where this machine's clients connect. A component that has ended is started again first."""
        self._ensure_serving()
        return self._door.path

    def close(self) -> None:
        """End the component and close its door."""
        super().close()
        self._door.close()

    def _give_up(self) -> None:
        box, watch = self._box, self._watch
        self._box = self._watch = None
        if box is not None:
            box.destroy()
            if watch is not None:
                watch.join()
            box.wire.close()

    def _start_when_due(self) -> Box:
        self._restarts.check()
        try:
            return self._start()
        except Unhealthy as error:
            self._restarts.ended(str(error.data.get("reason", "")))
            raise

    def _usable(self, box: Box) -> bool:
        """Its watch reads the line, and knows."""
        if self._watch is None or not self._watch.ended.is_set():
            return True
        self._restarts.ended(box.log_tail())
        return False

    def _ensure_serving(self) -> None:
        with self._live_box() as box:
            if self._suspect and self._watch is not None and not self._healthy():
                self._give_up()
                fresh = self._box = self._launch()
                self._watch = _Watch(fresh)
            elif self._watch is None:
                self._watch = _Watch(box)
            self._suspect = False

    def _healthy(self) -> bool:
        connection = _Connection(self._door.path, time.monotonic() + _PROBE_S)
        try:
            connection.request("GET", self._http.health)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _call(self, action: str, body: bytes, deadline_s: float) -> CallResult:
        path = self.spec.paths.get(action)
        if path is None:
            known = ", ".join(sorted(self.spec.paths)) or "-"
            raise ActionNotFound(component=self.spec.component, action=action, actions=known)
        self._ensure_serving()
        limit = self.spec.limits.output_kib * 1024
        started = time.perf_counter()
        connection = _Connection(self._door.path, time.monotonic() + deadline_s)
        try:
            connection.request("POST", path, body, {"Content-Type": "application/json", "Accept": "application/json"})
            answer = connection.getresponse()
            data = answer.read(limit + 1)
        except TimeoutError as error:
            self._suspect = True
            raise self._failure(action, self._outcome("timeout"), deadline_s) from error
        except (OSError, http.client.HTTPException) as error:
            raise self._failure(action, self._cut_off(error), deadline_s) from error
        finally:
            connection.close()
        wall_ms = (time.perf_counter() - started) * 1000
        if len(data) > limit:
            raise self._failure(action, self._outcome("output_too_large"), deadline_s)
        if not 200 <= answer.status < 300:
            raise self._failure(action, _refusal(answer.status, data), deadline_s)
        return CallResult(self._value(action, data), "", 0, Usage(round(wall_ms, 3)))

    def _outcome(self, error: str, **header: str) -> Outcome:
        return Outcome(error=error, header=header)

    def _cut_off(self, error: Exception) -> Outcome:
        """The connection broke: what the guest says of it, if the component ended."""
        watch = self._watch
        if watch is None or not watch.ended.wait(_LAST_WORDS_S):
            reason = f"the connection was cut off: {type(error).__name__}"
            return self._outcome("crashed", reason=reason, reason_zh=f"连接中断：{type(error).__name__}")
        ended = watch.last_words
        outcome = self._outcome(ended.error, reason=ended.en, reason_zh=ended.zh)
        outcome.log = bytearray(watch.box.log_tail().encode())
        return outcome


class _Watch:
    """Reads what a guest says while its component serves: its log, and its end."""

    def __init__(self, box: Box) -> None:
        self.box = box
        self.ended = threading.Event()
        self.last_words = Ended("crashed", "it ended", "已结束")
        self._thread = threading.Thread(target=self._read, name="capmart-watch", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            while True:
                frame = self.box.wire.receive(deadline=FOREVER)
                if frame.kind == framing.LOG:
                    self.box.note(frame.body)
                elif frame.kind == framing.EXIT:
                    self._hear(frame.header)
        except (GuestGone, GuestDeviated, TimeoutError):
            pass
        finally:
            self.ended.set()

    def _hear(self, header: dict[str, Any]) -> None:
        reason = str(header.get("reason", ""))[:1000]
        self.last_words = Ended(
            str(header.get("error", "crashed")), reason, str(header.get("reason_zh", reason))[:1000]
        )

    def join(self) -> None:
        """Wait until it has stopped reading; the line is ended already."""
        self._thread.join()


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket with one deadline for everything, however slowly the bytes drip."""

    def __init__(self, path: Path, deadline: float) -> None:
        super().__init__("localhost")
        self._path, self._deadline = path, deadline

    def connect(self) -> None:
        """Dial the door."""
        sock = _DeadlineSocket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.deadline = self._deadline
        self.sock = sock
        sock.hurry()
        sock.connect(str(self._path))


class _DeadlineSocket(socket.socket):
    deadline = FOREVER

    def hurry(self) -> None:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.settimeout(min(left, 1e6))

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        self.hurry()
        return super().recv_into(buffer, nbytes, flags)

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        self.hurry()
        super().sendall(data, flags)


def _refusal(status: int, data: bytes) -> Outcome:
    """An answer that is no success: the detail of a problem document (RFC 9457), or the status alone."""
    header: dict[str, Any] = {"reason": f"HTTP {status}", "reason_zh": f"HTTP {status}", "refused": status < 500}
    try:
        problem = parse_json(data[:_PROBLEM_BYTES], what="problem", max_bytes=_PROBLEM_BYTES)
    except InvalidJson:
        problem = None
    if isinstance(problem, dict):
        for name in ("detail", "title", "error", "message"):
            if isinstance(problem.get(name), str):
                header["reason"] = header["reason_zh"] = clean_log(problem[name].encode())
                break
    return Outcome(error="component_raised", header=header)
