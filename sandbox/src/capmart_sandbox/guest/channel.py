"""The guest's end of the line to the host."""

from __future__ import annotations

import array
import os
import socket
from typing import Any

from . import framing
from .child import write_all

_CHUNK = 16_384


class Channel:
    """Frames to and from the host over a Unix socket, or over two descriptors when attached by stdio.

    Args:
        read_fd: where frames come from.
        write_fd: where frames go.
        sock: the socket that both descriptors are, when it is one; it may bring descriptors along.
    """

    def __init__(self, read_fd: int, write_fd: int, sock: socket.socket | None = None) -> None:
        self.read_fd, self._write_fd, self._sock = read_fd, write_fd, sock
        self.passed: list[int] = []
        self._buffer = bytearray(_CHUNK)
        self._have = 0

    @classmethod
    def connect(cls, path: str) -> Channel:
        """Dial the host, which listens at ``path``."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.connect(path)
        return cls.over(sock)

    @classmethod
    def over(cls, sock: socket.socket) -> Channel:
        """Use a connected socket."""
        return cls(sock.fileno(), sock.fileno(), sock)

    @classmethod
    def stdio(cls) -> Channel:
        """Take standard input and output for the line, and leave ``/dev/null`` in their place."""
        read_fd, write_fd = os.dup(0), os.dup(1)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(2, 1)
        os.close(null)
        return cls(read_fd, write_fd)

    def close_in_child(self) -> None:
        """In a forked process: let go of the line, so that nothing but the runner can speak on it."""
        for fd in {self.read_fd, self._write_fd, *self.passed}:
            os.close(fd)
        if self._sock is not None:
            self._sock.detach()

    def send(self, kind: int, header: dict[str, Any], body: bytes | bytearray | memoryview = b"") -> None:
        """Send a frame, without making another copy of its body in this process's memory."""
        self.send_raw(framing.pack(kind, header, len(body)), body)

    def send_raw(self, head: bytes | bytearray, body: bytes | bytearray | memoryview = b"") -> None:
        """Send a frame whose head, or all of it, is packed already."""
        sent = os.writev(self._write_fd, [head, body])
        if sent < len(head):
            write_all(self._write_fd, memoryview(head)[sent:])
            sent = len(head)
        if sent < len(head) + len(body):
            write_all(self._write_fd, memoryview(body)[sent - len(head) :])

    def receive(self) -> tuple[int, dict[str, Any], memoryview]:
        """The next frame, whole: kind, header and all its bytes. Whoever takes it zeroes it before the next fork.

        Raises:
            EndOfStream: the host is gone.
            FrameError: what came is not a frame.
        """
        self._fill(framing.PREFIX.size)
        kind, header_length, body_length = framing.unpack_prefix(self._buffer)
        start = framing.PREFIX.size + header_length
        whole = start + body_length
        self._fill(whole)
        header = framing.read_header(self._buffer[framing.PREFIX.size : start])
        frame, self._buffer = self._buffer, bytearray(_CHUNK)
        self._have -= whole
        if self._have > 0:
            self._fit(self._have)
            self._buffer[: self._have] = frame[whole : whole + self._have]
        return kind, header, memoryview(frame)[:whole]

    def _fill(self, length: int) -> None:
        self._fit(length)
        while self._have < length:
            with memoryview(self._buffer) as view:
                count = self._receive_into(view[self._have :])
            if count == 0:
                raise framing.EndOfStream
            self._have += count

    def _fit(self, length: int) -> None:
        if len(self._buffer) < length:
            self._buffer += bytes(length - len(self._buffer))

    def _receive_into(self, view: memoryview) -> int:
        if self._sock is None:
            return os.readv(self.read_fd, [view])
        count, ancillary, _flags, _address = self._sock.recvmsg_into([view], socket.CMSG_SPACE(4))
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds = array.array("i")
                fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
                self.passed += fds
        return count
