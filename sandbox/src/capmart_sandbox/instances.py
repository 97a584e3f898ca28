"""Instances: what a node holds of a running component. A box that misbehaves is replaced behind it, unseen."""

from __future__ import annotations

import json
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter as clock

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
    InputRejected,
    InvalidJson,
    NoResult,
    OutOfMemory,
    OutputTooLarge,
    StateConflict,
    TooLarge,
)
from capmart_core.ports.runner import CallResult, Instance, Json, RunSpec, Usage
from capmart_sandbox.admission import Admission
from capmart_sandbox.box import Box, Outcome, clean_log
from capmart_sandbox.settings import SandboxSettings

_REASON_CHARS = 4000
_LIMITS = {"timeout": "deadline", "oom": "memory", "output_too_large": "output"}
"""Which limit of the manifest a kind of failure means that the call ran into."""


class BoxInstance(Instance):
    """What all kinds share: one box, the queue before it, a new box after a fault.

    Args:
        spec: of the component.
        settings: of the runner.
        admission: of the runner.
        launch: starts a box that is ready for calls.
    """

    def __init__(
        self, spec: RunSpec, settings: SandboxSettings, admission: Admission, launch: Callable[[], Box]
    ) -> None:
        self.spec, self.settings, self._admission = spec, settings, admission
        self._launch = launch
        self._turn = threading.Lock()
        self._closed = False
        self._box: Box | None = launch()

    def call(self, action: str, value: Json, *, deadline_s: float | None = None) -> CallResult:
        """Run one action; see the port."""
        limit = self.spec.limits.deadline_s
        deadline = limit if deadline_s is None else min(deadline_s, limit)
        body = self._body(action, value)
        with self._admission.call(self.spec):
            return self._call(action, body, deadline)

    def _body(self, action: str, value: Json) -> bytes:
        try:
            body = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise InputRejected(
                action=action, component=self.spec.component, path="", reason=f"it is not JSON: {error}"
            ) from error
        if len(body) > self.settings.input_kib * 1024:
            raise TooLarge(what=f"the input of {action}", limit=self.settings.input_kib * 1024)
        return body

    @abstractmethod
    def _call(self, action: str, body: bytes, deadline_s: float) -> CallResult: ...

    @contextmanager
    def _live_box(self) -> Iterator[Box]:
        """Wait for the calls before this one and give the box, a new one when the last was given up.

        The box is given up when its use is interrupted, because then nobody knows what it is doing.

        Raises:
            Busy: the wait was too long.
            StateConflict: the instance was closed.
        """
        if not self._turn.acquire(timeout=self.settings.queue_timeout_s):
            raise Busy(what=self.spec.component, retry_after=max(1, round(self.spec.limits.deadline_s)))
        try:
            if self._closed:
                raise StateConflict(what=self.spec.component, state="closed", action="call", needed="running")
            if self._box is not None and not self._usable(self._box):
                self._give_up()
            if self._box is None:
                self._box = self._launch()
            try:
                yield self._box
            except CapmartError:
                raise
            except BaseException:
                self._give_up()
                raise
        finally:
            self._turn.release()

    def _usable(self, box: Box) -> bool:
        """Whether a box that was idle can take a call; the engine may have been restarted meanwhile."""
        return box.settle()

    def _give_up(self) -> None:
        box, self._box = self._box, None
        if box is not None:
            box.destroy()
            box.wire.close()

    def close(self) -> None:
        """End the box at once, also under a call, which then fails."""
        self._closed = True
        if (box := self._box) is not None:
            box.destroy()
        with self._turn:
            self._give_up()

    def _failure(
        self, action: str, outcome: Outcome, deadline_s: float, wall_ms: float | None = None
    ) -> ComponentFailed:
        """The error that a caller sees: among its data which limit ended the call, what it printed and what it used."""
        header, limits = outcome.header, self.spec.limits
        reason = str(header.get("reason", ""))[:_REASON_CHARS]
        reason_zh = str(header.get("reason_zh", reason))[:_REASON_CHARS]
        kinds: dict[str, tuple[type[ComponentFailed], dict[str, object]]] = {
            "timeout": (CallTimeout, {"deadline": f"{deadline_s:g}"}),
            "oom": (OutOfMemory, {"limit": limits.memory_mib}),
            "no_result": (NoResult, {}),
            "output_too_large": (OutputTooLarge, {"limit": limits.output_kib * 1024}),
            "bad_result": (BadResult, {"reason": reason, "reason_zh": reason_zh}),
            "violation": (Crashed, {"reason": "it forged an answer", "reason_zh": "伪造了应答"}),
            "component_raised": (
                ComponentRaised,
                {"reason": reason, "reason_zh": reason_zh, "refused": header.get("refused") is True}
                | {name: str(header.get(name, "")) for name in ("exception", "detail")},
            ),
        }
        fallback = (Crashed, {"reason": reason, "reason_zh": reason_zh})
        kind, data = kinds.get(outcome.error or "", fallback)
        ended_by = _LIMITS.get(outcome.error or "") or ("pids" if outcome.at_pids else None)
        usage = {"wall_ms": wall_ms and round(wall_ms, 3), "cpu_ms": outcome.cpu_ms, "peak_mib": outcome.peak_mib}
        log = {"log": clean_log(outcome.log), "log_dropped": outcome.log_dropped}
        return kind(component=self.spec.component, action=action, **data, **log, **usage, ended_by=ended_by)

    def _value(self, action: str, body: bytes) -> Json:
        try:
            return parse_json(body, what="result", max_bytes=self.spec.limits.output_kib * 1024)
        except InvalidJson as error:
            header = {"reason": error.data.get("reason", ""), "reason_zh": error.data.get("reason", "")}
            raise self._failure(action, Outcome(error="bad_result", header=header), 0) from error


class CallInstance(BoxInstance):
    """A component that answers calls in the framed protocol."""

    @property
    def socket(self) -> Path | None:
        """None: it does not speak HTTP."""
        return None

    def _call(self, action: str, body: bytes, deadline_s: float) -> CallResult:
        with self._live_box() as box:
            if box.actions and action not in box.actions:
                raise ActionNotFound(component=self.spec.component, action=action, actions=", ".join(box.actions))
            started = clock()
            outcome = box.call(action, body, deadline_s)
            wall_ms = (clock() - started) * 1000
            if outcome.error is not None and not box.settle():
                self._give_up()
        if outcome.error is not None:
            raise self._failure(action, outcome, deadline_s, wall_ms)
        value = self._value(action, outcome.body)
        usage = Usage(round(wall_ms, 3), outcome.cpu_ms, outcome.peak_mib)
        return CallResult(value, clean_log(outcome.log), outcome.log_dropped, usage)
