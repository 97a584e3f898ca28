"""Requests to a real server that misbehaves: bounded, repeated where that is harmless, resumed where they stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

import pytest

from capmart_core.errors import (
    Busy,
    CenterUnavailable,
    DigestMismatch,
    InvalidIdentifier,
    NotAuthenticated,
    NotFound,
    TooLarge,
)
from capmart_core.identifiers import ComponentId, digest_of
from capmart_sdk.client import CenterClient
from capmart_sdk.client import http as client_http
from capmart_sdk.client.http import Http, check_url

BLOB = bytes(range(256)) * 5000
Reply = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """A real HTTP server whose answers a test scripts.

    Attributes:
        reply: what it does with a request.
        asked: method, path and the Range and Authorization headers of each.
    """

    def __init__(self) -> None:
        self.reply: Reply = lambda handler: send(handler, 404)
        self.asked: list[tuple[str, str, str | None, str | None]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Tests have their own output."""

            def do_GET(self) -> None:
                seen = (self.command, self.path, self.headers.get("Range"), self.headers.get("Authorization"))
                outer.asked.append(seen)
                outer.reply(self)

            def do_HEAD(self) -> None:
                self.do_GET()

            def do_POST(self) -> None:
                self.do_GET()

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def send(handler: BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True
    handler.connection.close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(client_http, "FIRST_PAUSE_S", 0.001)
    with Server() as running:
        yield running


@pytest.mark.parametrize(
    "url", ["ftp://x", "center.example", "http://", "http://u:p@x", "http://x?q=1", "http://x#y", "http://x:port", ""]
)
def test_given_what_is_no_address_of_a_center_then_it_is_refused(url: str) -> None:
    with pytest.raises(InvalidIdentifier):
        check_url(url)


def test_given_an_answer_without_end_then_it_is_cut_off(server: Server) -> None:
    server.reply = lambda handler: send(handler, 200, b"[" + b" " * 20_000_000)
    with Http(server.url) as http, pytest.raises(TooLarge):
        http.get("/x")


def test_given_what_is_no_json_then_it_is_no_center(server: Server) -> None:
    server.reply = lambda handler: send(handler, 200, b"<html>")
    with CenterClient(server.url) as client, pytest.raises(CenterUnavailable, match="not JSON"):
        client.about()


def test_given_json_of_another_shape_then_the_field_is_named(server: Server) -> None:
    server.reply = lambda handler: send(handler, 200, b'{"origin": 1}')
    with CenterClient(server.url) as client, pytest.raises(CenterUnavailable, match="origin"):
        client.about()


def test_given_a_connection_that_breaks_then_a_get_is_repeated_and_a_post_is_not(server: Server) -> None:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        if len(server.asked) < 3:
            hang_up(handler)
        else:
            send(handler, 200, b"[1]")

    server.reply = reply
    with Http(server.url) as http:
        assert http.get("/x") == [1]
        assert len(server.asked) == 3
        server.asked.clear()
        with pytest.raises(CenterUnavailable):
            http.post("/x", {})
    assert len(server.asked) == 1


def test_given_a_busy_center_then_it_is_asked_again_and_then_left_alone(server: Server) -> None:
    server.reply = lambda handler: send(handler, 503, Retry_After="0")
    with Http(server.url) as http, pytest.raises(Busy):
        http.get("/x")
    assert len(server.asked) == client_http.ATTEMPTS


def test_given_nobody_listens_then_the_center_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_http, "FIRST_PAUSE_S", 0.001)
    with Http("http://127.0.0.1:1") as http, pytest.raises(CenterUnavailable, match=r"127\.0\.0\.1:1"):
        http.get("/x")


def test_given_a_blob_that_breaks_off_then_the_rest_is_asked_for(server: Server) -> None:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        start = int((handler.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        handler.send_response(206 if start else 200)
        handler.send_header("Content-Length", str(len(BLOB) - start))
        handler.end_headers()
        end = len(BLOB) if start else 700_000
        handler.wfile.write(BLOB[start:end])
        if end < len(BLOB):
            hang_up(handler)

    server.reply = reply
    with CenterClient(server.url) as client:
        got = b"".join(client.repository(ComponentId("acme", "oee")).blob(digest_of(BLOB)))
    assert got == BLOB
    first, second = server.asked
    assert first[2] is None
    assert second[2] is not None


def test_given_a_server_that_ignores_ranges_then_nothing_comes_twice(server: Server) -> None:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(BLOB)))
        handler.end_headers()
        handler.wfile.write(BLOB[:700_000] if len(server.asked) == 1 else BLOB)
        if len(server.asked) == 1:
            hang_up(handler)

    server.reply = reply
    with CenterClient(server.url) as client:
        assert b"".join(client.repository(ComponentId("acme", "oee")).blob(digest_of(BLOB))) == BLOB


def test_given_a_manifest_that_is_another_then_it_is_refused(server: Server) -> None:
    server.reply = lambda handler: send(handler, 200, b"{}")
    with CenterClient(server.url) as client, pytest.raises(DigestMismatch):
        client.repository(ComponentId("acme", "oee")).manifest(digest_of(b"[]"))


def test_given_a_registry_that_asks_for_a_token_then_one_is_had_and_used(server: Server) -> None:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        if handler.path.startswith("/v2/token"):
            send(handler, 200, b'{"token": "short"}')
        elif handler.headers.get("Authorization") == "Bearer short":
            send(handler, 200)
        else:
            realm = f'Bearer realm="{server.url}/v2/token",service="c",scope="repository:acme/oee:pull"'
            send(handler, 401, WWW_Authenticate=realm)

    server.reply = reply
    with CenterClient(server.url, token="cap_long", account="dev") as client:
        repository = client.repository(ComponentId("acme", "oee"))
        assert repository.has_blob(digest_of(b""))
        assert repository.has_blob(digest_of(b"x"))
    tokens = [row for row in server.asked if row[1].startswith("/v2/token")]
    assert len(tokens) == 1
    assert (tokens[0][3] or "").startswith("Basic ")


def test_given_a_registry_that_sends_tokens_elsewhere_then_they_never_leave(server: Server) -> None:
    realm = 'Bearer realm="http://evil.example/token",service="c",scope="s"'
    server.reply = lambda handler: send(handler, 401, WWW_Authenticate=realm)
    with (
        CenterClient(server.url, token="cap_long") as client,
        pytest.raises(CenterUnavailable, match=r"evil\.example"),
    ):
        client.repository(ComponentId("acme", "oee")).has_blob(digest_of(b""))


def test_given_a_token_that_is_refused_then_it_is_said(server: Server) -> None:
    server.reply = lambda handler: send(handler, 401)
    with CenterClient(server.url, token="cap_wrong") as client, pytest.raises(NotAuthenticated):
        client.whoami()


def test_given_nothing_there_then_not_found(server: Server) -> None:
    with CenterClient(server.url) as client, pytest.raises(NotFound):
        client.component(ComponentId("acme", "oee"))
