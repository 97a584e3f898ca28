"""The standard streams of a container as one line: frames go in and out, what it writes to stderr is its log."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any

_HEADER = struct.Struct(">BxxxI")  # the engine's framing of attached streams: which one, how much
_STDOUT, _STDERR = 1, 2
_CHUNK = 64 * 1024


class AttachedLine:
    """A line for :class:`capmart_sandbox.wire.Wire` over an attach connection of the engine.

    Args:
        stream: the hijacked connection, as the client gives it: a socket's raw file.
        log: takes what the container writes to stderr.
    """

    def __init__(self, stream: Any, log: Callable[[bytes], None]) -> None:
        self._stream, self._log = stream, log
        self._sock: socket.socket = getattr(stream, "_sock", stream)
        self._sock.setblocking(False)  # noqa: FBT003 - the socket module's own signature
        self._raw = bytearray()
        self._ready = bytearray()
        self._kind, self._left = 0, 0

    def fileno(self) -> int:
        """To wait on."""
        return self._sock.fileno()

    def recv(self, size: int, /) -> bytes:
        """What it wrote to stdout."""
        while not self._ready:
            data = self._sock.recv(_CHUNK)
            if not data:
                return b""
            self._raw += data
            self._sort()
        part = bytes(self._ready[:size])
        del self._ready[:size]
        return part

    def _sort(self) -> None:
        while self._raw:
            if self._left == 0:
                if len(self._raw) < _HEADER.size:
                    return
                self._kind, self._left = _HEADER.unpack_from(self._raw)
                del self._raw[: _HEADER.size]
            part = bytes(self._raw[: self._left])
            del self._raw[: len(part)]
            self._left -= len(part)
            if self._kind == _STDOUT:
                self._ready += part
            elif self._kind == _STDERR and part:
                self._log(part)

    def send(self, data: memoryview, /) -> int:
        """To its stdin."""
        return self._sock.send(data)

    def shutdown(self, how: int, /) -> None:
        """End both directions."""
        with suppress(OSError):
            self._sock.shutdown(how)

    def close(self) -> None:
        """Give the descriptor back."""
        self._stream.close()
        self._sock.close()
