"""A box: one running guest, seen from the host, whatever runs it."""

from __future__ import annotations

import secrets
import shutil
import socket
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from capmart_core.errors import Unhealthy
from capmart_sandbox.guest import framing

CONNECT_S = 60.0
_LOG_CHARS = 2000


@dataclass(frozen=True)
class Order:
    """What a guest is to load; becomes the header of INJECT.

    Attributes:
        mode: ``calls``, ``describe`` or ``http``.
        entry: module, ``module:function`` for HTTP, empty where another container runs the component.
        paths: folders of the component's code, as the guest sees them.
        env: environment of the component.
        init_s: time for import or readiness, seconds.
    """

    mode: str
    entry: str
    isolation: str
    output_bytes: int
    paths: tuple[str, ...]
    env: Mapping[str, str]
    init_s: float
    describe_paths: tuple[str, ...] = ()
    rlimit_bytes: int = 0
    port: int = 0
    health: str = ""
    data_socket: str = ""


class Meeting:
    """The per-instance folder in which host and guest meet; its name cannot be guessed.

    The socket is for everyone who can reach it, because the container's user is another one; the folder above it is
    for this user only, and containers see the inner folder alone.
    """

    def __init__(self) -> None:
        self._private = Path(tempfile.mkdtemp(prefix="capmart-"))
        self.folder = self._private / secrets.token_hex(8)
        self.folder.mkdir(mode=0o755)
        self.folder.chmod(0o755)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(self.folder / "guest.sock"))
        (self.folder / "guest.sock").chmod(0o666)
        self._listener.listen(1)

    def accept(self, timeout_s: float) -> socket.socket:
        """Wait for the guest; once it is here nobody else can connect.

        Raises:
            TimeoutError: it did not come.
        """
        self._listener.settimeout(timeout_s)
        stream, _ = self._listener.accept()
        self._listener.close()
        return stream

    def close(self) -> None:
        """Remove the folder."""
        self._listener.close()
        shutil.rmtree(self._private, ignore_errors=True)


class Box(ABC):
    """One guest process. Not safe to use from several threads."""

    def __init__(self, component: str, meeting: Meeting) -> None:
        self.component = component
        self.meeting = meeting
        self.stream: socket.socket | None = None

    @abstractmethod
    def running(self) -> bool:
        """Whether the guest's process is there."""

    @abstractmethod
    def log_tail(self) -> str:
        """The end of what it wrote outside of calls, for messages; empty when nothing is kept."""

    @abstractmethod
    def _destroy(self) -> None:
        """Kill it and everything it started, and remove what it leaves."""

    def connect(self, order: Order) -> None:
        """Meet the guest and have it load the component.

        Raises:
            Unhealthy: it did not start, or the component's import or readiness failed.
        """
        try:
            self.stream = self._accept()
            self.stream.settimeout(CONNECT_S)
            self._expect(framing.READY)
            framing.send_frame(self.stream, framing.INJECT, _as_header(order))
            self.stream.settimeout(order.init_s + 2)
            kind, header, _ = framing.receive_frame(self.stream)
        except (OSError, framing.ProtocolError) as error:
            reason = "its start took too long" if isinstance(error, TimeoutError) else str(error)
            raise self._unhealthy(reason) from error
        if kind == framing.FAILED:
            raise self._unhealthy(str(header.get("reason", ""))[:4000])
        if kind != framing.READY:
            raise self._unhealthy("it does not speak the guest's protocol")
        self.stream.settimeout(None)

    def _accept(self) -> socket.socket:
        until = time.monotonic() + CONNECT_S
        while True:
            try:
                return self.meeting.accept(0.25)
            except TimeoutError:
                if time.monotonic() >= until or not self.running():
                    raise

    def _expect(self, kind: int) -> None:
        stream = self.stream
        if stream is None or framing.receive_frame(stream)[0] != kind:
            raise framing.ProtocolError("it does not speak the guest's protocol")

    def _unhealthy(self, reason: str) -> Unhealthy:
        log = self.log_tail()[-_LOG_CHARS:]
        self.destroy()
        return Unhealthy(component=self.component, reason=f"{reason}\n{log}".strip())

    def destroy(self) -> None:
        """End it; ending it twice is harmless."""
        if self.stream is not None:
            self.stream.close()
        self._destroy()
        self.meeting.close()


def _as_header(order: Order) -> dict[str, Any]:
    return {**asdict(order), "env": dict(order.env)}
