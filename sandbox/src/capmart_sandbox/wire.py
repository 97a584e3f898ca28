"""The host's end of a guest's line: frames with deadlines, every bound enforced before a byte is kept."""

from __future__ import annotations

import math
import select
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from capmart_sandbox.guest import framing

FOREVER = math.inf
_CHUNK = 256 * 1024
_SMALL_BODY = 64 * 1024


class GuestGone(Exception):  # noqa: N818 - an event, not a mistake
    """The guest closed its end: its box is over."""


class GuestDeviated(Exception):  # noqa: N818 - same
    """The guest broke the protocol; its box is to be destroyed."""


@dataclass(frozen=True)
class Frame:
    """One frame from the guest."""

    kind: int
    header: dict[str, Any]
    body: bytes


class Line(Protocol):
    """What a wire needs of a socket; an attached container's standard streams have it too."""

    def fileno(self) -> int:
        """To wait on."""

    def recv(self, size: int, /) -> bytes:
        """Bytes, empty at the end; ``BlockingIOError`` when there are none yet."""

    def send(self, data: memoryview, /) -> int:
        """How many bytes were taken; ``BlockingIOError`` when none can be."""

    def shutdown(self, how: int, /) -> None:
        """End it in both directions."""

    def close(self) -> None:
        """Give the descriptor back."""


class Wire:
    """Frames over a connected stream. Descriptors that a guest passes are never received.

    Args:
        sock: a socket, not blocking; it belongs to the wire from now on.
        result_max: bytes of one result.

    Attributes:
        result_max: may change with what the guest is to run.
    """

    def __init__(self, sock: Line, *, result_max: int) -> None:
        self._sock, self.result_max = sock, result_max
        self._buffer = bytearray()
        self._reading, self._writing = select.poll(), select.poll()
        self._reading.register(sock.fileno(), select.POLLIN)
        self._writing.register(sock.fileno(), select.POLLOUT)

    def send(self, kind: int, header: dict[str, Any], body: bytes = b"", *, deadline: float) -> None:
        """Send a frame by ``deadline``, on the monotonic clock.

        Raises:
            TimeoutError: the guest does not read.
            GuestGone: it is gone.
        """
        self._send(framing.pack(kind, header, len(body)) + body, deadline)

    def send_with_socket(self, kind: int, header: dict[str, Any], passed: socket.socket, *, deadline: float) -> None:
        """Send a frame without a body, and a socket along with it."""
        data = framing.pack(kind, header)
        if not isinstance(self._sock, socket.socket):
            raise GuestDeviated("only a Unix socket can bring a socket along")
        try:
            sent = socket.send_fds(self._sock, [data], [passed.fileno()])
        except OSError as error:
            raise GuestGone from error
        self._send(data[sent:], deadline)

    def _send(self, data: bytes, deadline: float) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[self._sock.send(view) :]
            except BlockingIOError:
                self._wait(self._writing, deadline)
            except OSError as error:
                raise GuestGone from error

    def quiet(self) -> bool:
        """Whether the guest is there and silent, as it is between calls."""
        if self._buffer:
            return False
        try:
            self._buffer += self._sock.recv(_CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def receive(self, *, deadline: float) -> Frame:
        """The next frame.

        Raises:
            TimeoutError: there is none by ``deadline``.
            GuestGone: the guest is gone.
            GuestDeviated: what came is not an allowed frame.
        """
        try:
            self._fill(framing.PREFIX.size, deadline)
            kind, header_length, body_length = framing.unpack_prefix(self._buffer)
            if body_length > (self.result_max if kind == framing.RESULT else _SMALL_BODY):
                raise framing.FrameError(f"{framing.NAMES[kind]} of {body_length} bytes")  # noqa: TRY301 - as unpack_prefix
            start = framing.PREFIX.size + header_length
            self._fill(start + body_length, deadline)
            header = framing.read_header(self._buffer[framing.PREFIX.size : start])
        except framing.FrameError as error:
            raise GuestDeviated(str(error)) from error
        body = bytes(self._buffer[start : start + body_length])
        del self._buffer[: start + body_length]
        return Frame(kind, header, body)

    def _fill(self, length: int, deadline: float) -> None:
        while len(self._buffer) < length:
            try:
                data = self._sock.recv(_CHUNK)  # not recvmsg: descriptors that a guest passes are dropped by the kernel
            except BlockingIOError:
                self._wait(self._reading, deadline)
                continue
            except OSError as error:
                raise GuestGone from error
            if not data:
                raise GuestGone
            self._buffer += data

    @staticmethod
    def _wait(poller: select.poll, deadline: float) -> None:
        if deadline == FOREVER:
            poller.poll()
            return
        left = deadline - time.monotonic()
        if left <= 0 or not poller.poll(max(1, round(left * 1000))):
            raise TimeoutError

    def hang_up(self) -> None:
        """End the line; whoever waits on it, in whatever thread, sees the guest gone."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the descriptor back; only when nobody waits on it."""
        self.hang_up()
        self._sock.close()
