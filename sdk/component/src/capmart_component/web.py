"""Serve a component's actions and its page over HTTP, with the standard library, for ``kind = "application"``.

Every action becomes ``POST /api/NAME`` (JSON in, JSON out), the files of a folder become the page, and ``/healthz``
answers once the server is up. Refusals are problem documents (RFC 9457) in Chinese and English. Not imported by the
package itself: only applications pay for it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

from capmart_component._collect import BoundAction, collect
from capmart_component.errors import ActionError, InputError

_DEFAULT_PORT = "8080"
_MAX_FILE_BYTES = 4 * 1024 * 1024
_KINDS = {  # the same in every base image, whatever tables the system has
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}
_IDLE_S = 15.0
_MAX_CONNECTIONS = 32
_POLICY = "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; object-src 'none'"


class _Problem(Exception):  # noqa: N818 -- becomes an RFC 9457 problem document
    """A request that ends in a problem document."""

    def __init__(self, status: HTTPStatus, code: str, zh: str, en: str, *, close: bool = False) -> None:
        super().__init__(en)
        self.status, self.code, self.zh, self.en, self.close = status, code, zh, en, close


class Application(ThreadingHTTPServer):
    """The server. Use :func:`serve` to run one, or :func:`capmart_component.testing.serving` in tests.

    Args:
        source: a module, a class with actions, or an instance of one.
        pages: folder whose files are the page, read once; ``index.html`` is ``/``. None for an API alone.
        port: TCP port on the loopback address; 0 lets the system choose.
        max_body: largest request body, in bytes.

    Raises:
        DeclarationError: see :func:`capmart_component.collect`.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, source: Any, pages: Path | None, *, port: int, max_body: int = 4 * 1024 * 1024) -> None:
        self.actions: Mapping[str, BoundAction] = {f"/api/{name}": found for name, found in collect(source).items()}
        self.pages = {} if pages is None else _read_pages(pages)
        self.max_body = max_body
        self._slots = threading.BoundedSemaphore(_MAX_CONNECTIONS)
        super().__init__(("127.0.0.1", port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread of its own, or turn it away when too many are open."""
        if not self._slots.acquire(blocking=False):
            request.sendall(
                b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Give the connection's place back when it ends."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say what broke; a client that went away is none of it."""
        if not isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


def serve(source: Any, pages: Path | None = None) -> None:
    """Serve on ``CAPMART_PORT`` of the loopback address (8080 without it) until the process ends."""
    with Application(source, pages, port=int(os.environ.get("CAPMART_PORT", _DEFAULT_PORT))) as application:
        application.serve_forever()


def _read_pages(folder: Path) -> dict[str, tuple[str, bytes]]:
    pages: dict[str, tuple[str, bytes]] = {}
    for file in sorted(folder.rglob("*")):
        if not file.is_file() or file.suffix == ".py" or "__pycache__" in file.parts:
            continue
        if file.stat().st_size > _MAX_FILE_BYTES:
            raise ValueError(f"{file.name} is larger than {_MAX_FILE_BYTES} bytes")
        kind = _KINDS.get(file.suffix, "application/octet-stream")
        path = "/" + file.relative_to(folder).as_posix()
        pages[path.removesuffix("index.html")] = (kind, file.read_bytes())
    return pages


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "capmart-component"
    sys_version = ""
    timeout = _IDLE_S
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body leave in one segment
    server: Application

    _COMMON: ClassVar[dict[str, str]] = {
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Content-Security-Policy": _POLICY,
    }

    def do_GET(self) -> None:
        """Health and page."""
        self._answer(self._get)

    def do_HEAD(self) -> None:
        """The same without the body."""
        self._answer(self._get)

    def do_POST(self) -> None:
        """Actions."""
        self._answer(self._post)

    def _answer(self, respond: Any) -> None:
        try:
            respond(self.path.partition("?")[0])
        except _Problem as problem:
            self._send_problem(problem)

    def _get(self, path: str) -> None:
        if path == "/healthz":
            self._send(HTTPStatus.OK, "text/plain; charset=utf-8", b"ok\n")
        elif path in self.server.actions:
            raise _Problem(HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", "请使用 POST", "use POST")
        elif path in self.server.pages:
            self._send(HTTPStatus.OK, *self.server.pages[path])
        else:
            raise _not_found()

    def _post(self, path: str) -> None:
        value = self._body()
        if path not in self.server.actions:
            raise _not_found()
        try:
            result = self.server.actions[path].call(value)
            body = json.dumps(result, ensure_ascii=False, allow_nan=False).encode()
        except InputError as refusal:
            raise _Problem(HTTPStatus.BAD_REQUEST, "input_rejected", refusal.zh, refusal.en) from None
        except ActionError as refusal:
            raise _Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "refused", refusal.zh, refusal.en) from None
        except Exception:  # noqa: BLE001 -- one failing call must not end the application
            traceback.print_exc()
            raise _Problem(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                "failed",
                "动作执行失败，详见应用日志",
                "the action failed; see the log",
            ) from None
        self._send(HTTPStatus.OK, "application/json", body)

    def _body(self) -> Any:
        length = self.headers.get("Content-Length", "")
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdigit()):
            raise _Problem(
                HTTPStatus.LENGTH_REQUIRED,
                "length_required",
                "须给出 Content-Length",
                "send a Content-Length",
                close=True,
            )
        if len(length) > 12 or int(length) > self.server.max_body:
            limit = self.server.max_body
            raise _Problem(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                "too_large",
                f"请求体超过 {limit} 字节",
                f"the body is larger than {limit} bytes",
                close=True,
            )
        data = self.rfile.read(int(length))
        if self.headers.get_content_type() != "application/json":
            raise _Problem(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "not_json", "请发送 application/json", "send application/json"
            )
        try:
            return json.loads(data, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise _Problem(
                HTTPStatus.BAD_REQUEST, "invalid_json", f"JSON 有误：{error}", f"invalid JSON: {error}"
            ) from None

    def _send_problem(self, problem: _Problem) -> None:
        chinese = self.headers.get("Accept-Language", "").lower().startswith("zh")
        document = {
            "type": "about:blank",
            "title": problem.status.phrase,
            "status": problem.status.value,
            "detail": problem.zh if chinese else problem.en,
            "code": problem.code,
            "zh": problem.zh,
            "en": problem.en,
        }
        self.close_connection = self.close_connection or problem.close
        self._send(problem.status, "application/problem+json", json.dumps(document, ensure_ascii=False).encode())

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        for name, value in self._COMMON.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-cache")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the name that http.server gives it
        """Say nothing of what went well; errors are written where they happen."""


def _not_found() -> _Problem:
    return _Problem(HTTPStatus.NOT_FOUND, "not_found", "没有此地址", "there is nothing at this address")


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
