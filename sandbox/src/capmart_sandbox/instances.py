"""Instances: what a node holds of a running component. A box that misbehaves is replaced behind it, unseen."""

from __future__ import annotations

import http.client
import json
import logging
import secrets
import shutil
import socket
import tempfile
import threading
import time
from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

from capmart_core.canonical import parse_json
from capmart_core.errors import (
    ActionNotFound,
    BadResult,
    Busy,
    CallTimeout,
    CapmartError,
    ComponentFailed,
    ComponentRaised,
    Crashed,
    InvalidJson,
    NoResult,
    OutOfMemory,
    OutputTooLarge,
)
from capmart_core.ports.runner import CallResult, Instance, Json, RunSpec, Usage
from capmart_sandbox.box import Box
from capmart_sandbox.bridge import Bridge
from capmart_sandbox.guest import framing

_log = logging.getLogger("capmart.sandbox")

HOST_GRACE_S = 0.25
"""The guest ends a call at its deadline; this much later the host ends the guest."""


class BoxInstance(Instance):
    """What both kinds share: the one box, the lock before it, starting anew after a fault."""

    def __init__(self, spec: RunSpec, launch: Callable[[], Box]) -> None:
        self.spec = spec
        self._launch = launch
        self._lock = threading.Lock()
        self._box: Box | None = launch()
        self._closed = False

    def call(self, action: str, value: Json, *, deadline_s: float | None = None) -> CallResult:
        """Run one action; see the port."""
        limit = self.spec.limits.deadline_s
        deadline = min(deadline_s, limit) if deadline_s is not None else limit
        started = time.perf_counter()
        result = self._call(action, value, deadline)
        wall = (time.perf_counter() - started) * 1000
        usage = Usage(round(wall, 3), result.usage.cpu_ms, result.usage.peak_mib)
        return CallResult(result.value, result.log, result.log_dropped, usage)

    @abstractmethod
    def _call(self, action: str, value: Json, deadline_s: float) -> CallResult: ...

    def _live_box(self) -> Box:
        if self._closed:
            raise Busy(what=self.spec.component, retry_after=1)
        if self._box is None:
            self._box = self._launch()
        return self._box

    def _drop_box(self) -> None:
        box, self._box = self._box, None
        if box is not None:
            box.destroy()

    def close(self) -> None:
        """End the box; waits for a call that is under way."""
        with self._lock:
            self._closed = True
            self._drop_box()


class CallInstance(BoxInstance):
    """A component that answers calls by the guest's protocol."""

    @property
    def socket(self) -> Path | None:
        """None: it does not speak HTTP."""
        return None

    def _call(self, action: str, value: Json, deadline_s: float) -> CallResult:
        body = json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        with self._lock:
            box = self._live_box()
            try:
                return self._exchange(box, action, body, deadline_s)
            except TimeoutError as error:
                self._drop_box()
                raise self._failure(CallTimeout, action, deadline=deadline_s) from error
            except (OSError, framing.ProtocolError, ValueError, KeyError) as error:
                _log.warning("%s: the instance was replaced: %s", self.spec.component, error)
                self._drop_box()
                raise self._failure(Crashed, action, reason=str(error)) from error

    def _exchange(self, box: Box, action: str, body: bytes, deadline_s: float) -> CallResult:
        stream = box.stream
        if stream is None:
            raise framing.ProtocolError("the other side is gone")
        until = time.monotonic() + deadline_s + HOST_GRACE_S
        call = {"id": secrets.token_hex(16), "action": action, "deadline_s": deadline_s}
        stream.settimeout(deadline_s + HOST_GRACE_S)
        framing.send_frame(stream, framing.CALL, call, body)
        frames = {}
        for expected in (framing.LOG, framing.RESULT, framing.DONE):
            stream.settimeout(max(until - time.monotonic(), 0.001))
            kind, header, data = framing.receive_frame(stream)
            if kind != expected or header.get("id") != call["id"]:
                raise framing.ProtocolError("an answer that belongs to no call")
            frames[kind] = (header, data)
        log, dropped = frames[framing.LOG][1], int(frames[framing.LOG][0]["dropped"])
        outcome, data = frames[framing.RESULT]
        if not outcome["ok"]:
            raise self._explain(action, outcome, deadline_s)
        peak = outcome.get("peak_kib")
        usage = Usage(0.0, _number(outcome.get("cpu_ms")), None if peak is None else round(float(peak) / 1024, 1))
        return CallResult(self._parse(action, data), clean_log(log), dropped, usage)

    def _parse(self, action: str, data: bytes) -> Json:
        try:
            return parse_json(data, what="result", max_bytes=self.spec.limits.output_kib * 1024 + 1)
        except InvalidJson as error:
            raise self._failure(BadResult, action, reason=error.data.get("reason", "")) from error

    def _explain(self, action: str, outcome: dict[str, Any], deadline_s: float) -> CapmartError:
        reason, limits = str(outcome.get("en") or outcome.get("zh") or ""), self.spec.limits
        chinese = str(outcome.get("zh") or reason)
        known: dict[str, tuple[type[ComponentFailed], dict[str, object]]] = {
            "timeout": (CallTimeout, {"deadline": deadline_s}),
            "oom": (OutOfMemory, {"limit": limits.memory_mib}),
            "output_too_large": (OutputTooLarge, {"limit": limits.output_kib * 1024}),
            "no_result": (NoResult, {}),
            "bad_result": (BadResult, {"reason": reason}),
            "component_raised": (ComponentRaised, {"reason": reason, "reason_zh": chinese}),
        }
        kind, data = known.get(str(outcome.get("code")), (Crashed, {"reason": reason}))
        return self._failure(kind, action, **data)

    def _failure(self, kind: type[ComponentFailed], action: str, **data: object) -> ComponentFailed:
        return kind(component=self.spec.component, action=action, **data)


class HttpInstance(BoxInstance):
    """A component that speaks HTTP behind a door of this machine; see :mod:`capmart_sandbox.bridge`."""

    def __init__(self, spec: RunSpec, launch: Callable[[], Box], door: Door) -> None:
        self._door = door
        try:
            super().__init__(spec, launch)
        except BaseException:
            door.close()
            raise

    @property
    def socket(self) -> Path | None:
        """Where this machine's gateway connects. A component that ended is started again."""
        with self._lock:
            box = self._live_box()
            if not box.running():
                self._drop_box()
                self._live_box()
        return self._door.app_socket

    def close(self) -> None:
        """End the component and close its door."""
        super().close()
        self._door.close()

    def _call(self, action: str, value: Json, deadline_s: float) -> CallResult:
        path = self.spec.paths.get(action)
        if path is None:
            raise ActionNotFound(
                component=self.spec.component, action=action, actions=", ".join(sorted(self.spec.paths)) or "-"
            )
        limit = self.spec.limits.output_kib * 1024
        connection = _UnixConnection(self.socket, deadline_s)
        body = json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        try:
            connection.request("POST", path, body, {"Content-Type": "application/json", "Host": "localhost"})
            answer = connection.getresponse()
            data = answer.read(limit + 1)
        except TimeoutError as error:
            raise CallTimeout(component=self.spec.component, action=action, deadline=deadline_s) from error
        except (OSError, http.client.HTTPException) as error:
            raise Crashed(component=self.spec.component, action=action, reason=repr(error)) from error
        finally:
            connection.close()
        if len(data) > limit:
            raise OutputTooLarge(component=self.spec.component, action=action, limit=limit)
        if answer.status >= 300:
            raise self._refusal(action, answer.status, data)
        try:
            result = parse_json(data, what="result", max_bytes=limit)
        except InvalidJson as error:
            raise BadResult(
                component=self.spec.component, action=action, reason=error.data.get("reason", "")
            ) from error
        return CallResult(result, "", 0, Usage(0.0))

    def _refusal(self, action: str, status: int, data: bytes) -> ComponentRaised:
        reason = f"HTTP {status}"
        try:
            problem = parse_json(data, what="problem", max_bytes=65_536)
        except InvalidJson:
            problem = None
        if isinstance(problem, dict) and isinstance(problem.get("detail"), str):
            reason = problem["detail"][:4000]
        return ComponentRaised(component=self.spec.component, action=action, reason=reason)


class Door:
    """The sockets of an HTTP component, which stay while its boxes come and go."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="capmart-door-"))
        self.app_socket = self._folder / "app.sock"
        self.inner = self._folder / "door"
        self.inner.mkdir(mode=0o755)
        self.inner.chmod(0o755)
        self._bridge = Bridge(self.app_socket, self.inner / "data.sock")

    def close(self) -> None:
        """Close the sockets and remove their folder."""
        self._bridge.close()
        shutil.rmtree(self._folder, ignore_errors=True)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path | None, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def clean_log(data: bytes) -> str:
    """What a component wrote, safe to show: control characters and invalid UTF-8 are spelled out."""
    text = data.decode("utf-8", "backslashreplace")
    return "".join(c if c in "\n\t" or c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
