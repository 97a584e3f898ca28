"""The shim of an HTTP component: connections from the host's socket go to a port of the box's loopback and back.

The host binds and listens; the listening socket itself is passed in with INJECT, so the box needs no writable mount
and no network, and the host forwards no bytes. Beside an image that has no Python, the same shim runs alone in a
second container that shares the network namespace.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from . import framing, system
from .channel import Channel
from .child import enter, reasons, renew_streams, trace

_CHUNK = 65_536
_MAX_CONNECTIONS = 256
_LOG_PER_SECOND = 65_536
_PROBE_S = 0.5


class Application:
    """The forked process in which a Python HTTP component serves.

    Args:
        channel: the line to the host, closed in the child.
        serve: imports and runs the component; returns when it ends.
        own_box: whether the shim is process 1 of its own process namespace.
    """

    def __init__(self, channel: Channel, serve: Callable[[], object], *, own_box: bool) -> None:
        self._oom = system.oom_counter()
        log_read, log_write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            code = 70
            try:
                channel.close_in_child()
                os.close(log_read)
                enter(log_write, own_box=own_box)
                os.close(log_write)
                renew_streams()
                code = _run(serve)
            finally:
                os._exit(code)
        os.close(log_write)
        self.log = log_read
        self.watch = system.watch(self.pid)
        os.set_blocking(log_read, False)

    def ended(self) -> dict[str, str] | None:
        """Why it ended; None while it runs. What it left behind is reaped on the way."""
        while (info := _next_ended()) is not None and info.si_pid != self.pid:
            os.waitpid(info.si_pid, 0)
        if info is None:
            return None
        if info.si_code == os.CLD_EXITED:
            return {"error": "crashed", **reasons(f"exit code {info.si_status}", f"退出码 {info.si_status}")}
        if info.si_status == signal.SIGKILL and self._oom.rose():
            return {"error": "oom", **reasons("out of memory", "内存不足")}
        name = signal.Signals(info.si_status).name
        return {"error": "crashed", **reasons(f"signal {name}", f"信号 {name}")}


def _next_ended() -> os.waitid_result | None:
    return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT | os.WNOHANG)


def _run(serve: Callable[[], object]) -> int:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        serve()
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 1
    except BaseException as error:  # noqa: BLE001 - its traceback is the component's log
        os.write(2, trace(error).encode("utf-8", "backslashreplace"))
        return 1
    return 0


class _Flow:
    """Bytes on their way from one socket to another."""

    def __init__(self, source: socket.socket, sink: socket.socket) -> None:
        self.source, self.sink = source, sink
        self.waiting = b""
        self.ended = False
        self.done = False

    def pump(self) -> None:
        """Move what can be moved without waiting.

        Raises:
            OSError: one side is gone.
        """
        if self.done:
            return
        if not self.waiting and not self.ended:
            with suppress(BlockingIOError):
                self.waiting = self.source.recv(_CHUNK)
                self.ended = not self.waiting
                if self.source.family == socket.AF_INET:
                    # Applications write headers and body apart; a late acknowledgement between them costs 40 ms.
                    self.source.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        if self.waiting:
            with suppress(BlockingIOError):
                self.waiting = self.waiting[self.sink.send(self.waiting) :]
        if self.ended and not self.waiting:
            self.done = True
            self.sink.shutdown(socket.SHUT_WR)


class _Pair:
    """One connection of a client and the one to the application that serves it."""

    def __init__(self, client: socket.socket, port: int) -> None:
        self.client = client
        self.upstream = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        for sock in (self.client, self.upstream):
            sock.setblocking(False)  # noqa: FBT003 - the socket module's own signature
        self.upstream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connected = False
        if self.upstream.connect_ex(("127.0.0.1", port)) == 0:
            self.connected = True
        self.there = _Flow(self.client, self.upstream)
        self.back = _Flow(self.upstream, self.client)

    def events(self, sock: socket.socket) -> int:
        """What to wait for on one of the two sockets."""
        if not self.connected:
            return selectors.EVENT_WRITE if sock is self.upstream else 0
        out, into = (self.there, self.back) if sock is self.client else (self.back, self.there)
        wanted = selectors.EVENT_READ if not out.waiting and not out.ended else 0
        return wanted | (selectors.EVENT_WRITE if into.waiting else 0)

    def step(self) -> bool:
        """Go on; False when the pair is finished."""
        try:
            if not self.connected:
                if self.upstream.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    return False
                self.connected = True
            self.there.pump()
            self.back.pump()
        except OSError:
            return False
        return not (self.there.done and self.back.done)

    def close(self) -> None:
        """Close both sides."""
        self.client.close()
        self.upstream.close()


class Forwarder:
    """Waits until the application is healthy, says READY, and forwards until the host or the application is gone.

    Args:
        channel: the line to the host, which has brought the listening socket.
        application: the process to watch; None beside an image, whose container the host watches.
        port: where the application listens on the loopback.
        health: path that answers 200 once it is ready.
    """

    def __init__(self, channel: Channel, application: Application | None, *, port: int, health: str) -> None:
        if len(channel.passed) != 1:
            raise framing.FrameError("an HTTP component needs exactly one listening socket")
        self._channel, self._application = channel, application
        self._port, self._health = port, health
        self._listener = socket.socket(fileno=channel.passed[0])
        self._listener.setblocking(False)  # noqa: FBT003 - same
        self._selector = selectors.DefaultSelector()
        self._pairs: dict[socket.socket, _Pair] = {}
        self._masks: dict[socket.socket, int] = {}
        self._accepting = False
        self._log_window = (0.0, 0)

    def serve(self) -> NoReturn:
        """Run until the end.

        Raises:
            EndOfStream: the host is gone, or has been told that the application is.
        """
        self._selector.register(self._channel.read_fd, selectors.EVENT_READ)
        if self._application is not None:
            self._selector.register(self._application.log, selectors.EVENT_READ)
            if self._application.watch >= 0:
                self._selector.register(self._application.watch, selectors.EVENT_READ)
        started, pause = time.monotonic(), 0.005
        while not self._healthy():
            self._step(pause)
            pause = min(pause * 1.5, 0.1)
        took = round((time.monotonic() - started) * 1000, 1)
        self._channel.send(framing.READY, {"v": framing.VERSION, "actions": [], "import_ms": took})
        self._accept_more()
        while True:
            self._step(1.0)

    def _step(self, timeout_s: float) -> None:
        for key, _ in self._selector.select(timeout_s):
            if key.fileobj == self._channel.read_fd:
                self._channel.receive()  # nothing is sent to an application but the end of the line
            elif self._application is not None and key.fileobj == self._application.log:
                self._forward_log(self._application)
            elif key.fileobj is self._listener:
                self._accept()
            elif isinstance(key.fileobj, socket.socket) and key.fileobj in self._pairs:
                self._advance(self._pairs[key.fileobj])
        if self._application is not None and (reason := self._application.ended()) is not None:
            self._forward_log(self._application)
            self._channel.send(framing.EXIT, reason)
            raise framing.EndOfStream

    def _healthy(self) -> bool:
        request = f"GET {self._health} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        try:
            with socket.create_connection(("127.0.0.1", self._port), _PROBE_S) as probe:
                probe.settimeout(_PROBE_S)
                probe.sendall(request)
                status = probe.recv(_CHUNK).split(b" ", 2)
        except OSError:
            return False
        return len(status) > 1 and status[0].startswith(b"HTTP/") and status[1] == b"200"

    def _forward_log(self, application: Application) -> None:
        """Pass on what the application printed, so much a second and no more."""
        try:
            data = os.read(application.log, _CHUNK)
        except BlockingIOError:
            return
        if not data:
            if application.log in self._selector.get_map():
                self._selector.unregister(application.log)
            return
        begun, used = self._log_window
        if time.monotonic() - begun > 1:
            begun, used = time.monotonic(), 0
        kept = data[: max(0, _LOG_PER_SECOND - used)]
        self._log_window = (begun, used + len(kept))
        if kept:
            self._channel.send(framing.LOG, {}, kept)

    def _accept_more(self) -> None:
        """Listen while there is room for another connection."""
        room = len(self._pairs) < 2 * _MAX_CONNECTIONS
        if room and not self._accepting:
            self._selector.register(self._listener, selectors.EVENT_READ)
        elif not room and self._accepting:
            self._selector.unregister(self._listener)
        self._accepting = room

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:
            return
        pair = _Pair(client, self._port)
        self._pairs[pair.client] = self._pairs[pair.upstream] = pair
        self._advance(pair)
        self._accept_more()

    def _advance(self, pair: _Pair) -> None:
        alive = pair.step() if pair.connected or pair.client in self._masks else True
        for sock in (pair.client, pair.upstream):
            wanted = pair.events(sock) if alive else 0
            had = self._masks.get(sock, 0)
            if wanted and had and wanted != had:
                self._selector.modify(sock, wanted)
            elif wanted and not had:
                self._selector.register(sock, wanted)
            elif had and not wanted:
                self._selector.unregister(sock)
            self._masks[sock] = wanted
        if not alive:
            for sock in (pair.client, pair.upstream):
                del self._pairs[sock], self._masks[sock]
            pair.close()
            self._accept_more()
