"""An HTTP component in Python's standard library."""

from __future__ import annotations

import ctypes
import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._send(200, b"ok", "text/plain")

    def do_POST(self) -> None:
        value = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        match self.path:
            case "/api/add":
                self._send(200, json.dumps({"sum": value["a"] + value["b"], "pid": os.getpid()}).encode())
            case "/api/refuse":
                self._send(422, json.dumps({"title": "no", "detail": "not suitable"}).encode())
            case "/api/sleep":
                time.sleep(value["seconds"])
                self._send(200, b"1")
            case "/api/drip":
                self._drip()
            case "/api/large":
                self._send(200, json.dumps("x" * 5_000_000).encode())
            case "/api/text":
                self._send(200, b"not json")
            case "/api/crash":
                print("about to crash")  # noqa: T201 - what a component prints is its log
                ctypes.string_at(0)
            case "/api/eat":
                held = [os.urandom(1 << 20) for _ in range(1000)]
                self._send(200, str(len(held)).encode())
            case _:
                self._send(404, b"{}")

    def _drip(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        for _ in range(100):
            self.wfile.write(b" ")
            time.sleep(0.05)

    def _send(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class has this name
        print("request", format % args)  # noqa: T201 - what a component prints is its log


def main() -> None:
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["CAPMART_PORT"])), Handler).serve_forever()


def never() -> None:
    print("this one does not listen")  # noqa: T201 - what a component prints is its log
    time.sleep(60)


def dies() -> None:
    raise RuntimeError("no configuration")
