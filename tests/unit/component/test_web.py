"""Actions and page over HTTP: what an application gives, and what it refuses."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any
from urllib.parse import urlsplit

import pytest

from capmart_component import ActionError, Field, action
from capmart_component.testing import serving


@action(title_zh="加倍", title_en="Double")
def double(value: Annotated[int, Field(zh="值", en="Value", ge=0)]) -> int:
    if value == 13:
        raise ActionError("不吉利", "unlucky")
    if value == 99:
        raise RuntimeError("a bug")
    return 2 * value


@pytest.fixture
def address(tmp_path: Path) -> Iterator[tuple[str, int]]:
    (tmp_path / "index.html").write_text("<h1>页</h1>", "utf-8")
    (tmp_path / "app.js").write_text("'use strict';\n")
    module = ModuleType("author")
    module.double = double  # type: ignore[attr-defined]
    with serving(module, tmp_path) as url:
        parts = urlsplit(url)
        yield str(parts.hostname), int(parts.port or 0)


@pytest.fixture
def connection(address: tuple[str, int]) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(*address, timeout=10)
    yield connection
    connection.close()


def ask(
    connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def post(connection: http.client.HTTPConnection, value: Any, **headers: str) -> tuple[int, Any]:
    status, _, body = ask(
        connection, "POST", "/api/double", json.dumps(value).encode(), Content_Type="application/json", **headers
    )
    return status, json.loads(body)


def test_given_an_action_when_posted_on_one_connection_then_each_answer_comes(
    connection: http.client.HTTPConnection,
) -> None:
    assert [post(connection, {"value": n}) for n in (1, 2, 3)] == [(200, 2), (200, 4), (200, 6)]


def test_given_a_page_when_fetched_then_its_files_and_no_others(connection: http.client.HTTPConnection) -> None:
    status, headers, body = ask(connection, "GET", "/?lang=zh")
    assert (status, headers["Content-Type"], body.decode()) == (200, "text/html; charset=utf-8", "<h1>页</h1>")
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert ask(connection, "GET", "/app.js")[1]["Content-Type"] == "text/javascript; charset=utf-8"
    assert ask(connection, "GET", "/healthz")[::2] == (200, b"ok\n")
    assert ask(connection, "HEAD", "/")[::2] == (200, b"")
    assert [ask(connection, "GET", path)[0] for path in ("/../app.js", "/%2e%2e/x", "/none")] == [404] * 3
    assert ask(connection, "GET", "/api/double")[0] == 405


@pytest.mark.parametrize(
    ("value", "status", "code"),
    [({"value": -1}, 400, "input_rejected"), ({"value": 13}, 422, "refused"), ({"value": 99}, 500, "failed")],
)
def test_given_a_refusal_when_posted_then_a_problem_in_both_languages(
    connection: http.client.HTTPConnection, value: Any, status: int, code: str, capfd: pytest.CaptureFixture[str]
) -> None:
    found, problem = post(connection, value, Accept_Language="zh-CN,zh;q=0.9")

    assert (found, problem["status"], problem["code"]) == (status, status, code)
    assert problem["detail"] == problem["zh"] != problem["en"]
    assert ("a bug" in capfd.readouterr().err) == (code == "failed")
    assert post(connection, {"value": 1}) == (200, 2)


def test_given_bodies_that_are_no_json_when_posted_then_refused(connection: http.client.HTTPConnection) -> None:
    json_type = {"Content_Type": "application/json"}
    assert ask(connection, "POST", "/api/double", b"{", **json_type)[0] == 400
    assert ask(connection, "POST", "/api/double", b"NaN", **json_type)[0] == 400
    assert ask(connection, "POST", "/api/double", b"[" * 100_000, **json_type)[0] == 400
    assert ask(connection, "POST", "/api/double", b"\xff", **json_type)[0] == 400
    assert ask(connection, "POST", "/api/double", b"{}", Content_Type="text/plain")[0] == 415
    assert ask(connection, "POST", "/api/none", b"{}", **json_type)[0] == 404
    assert post(connection, {"value": 1}) == (200, 2)


def raw(address: tuple[str, int], request: bytes) -> bytes:
    with socket.create_connection(address, timeout=10) as plain:
        plain.sendall(request)
        answer = b""
        while chunk := plain.recv(65_536):
            answer += chunk
        return answer


def test_given_a_body_without_bounds_when_posted_then_refused_unread_and_closed(address: tuple[str, int]) -> None:
    head = b"POST /api/double HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    assert raw(address, head + b"Content-Length: 999999999999999\r\n\r\n").startswith(b"HTTP/1.1 413")
    assert raw(address, head + b"Transfer-Encoding: chunked\r\n\r\n").startswith(b"HTTP/1.1 411")
    assert raw(address, head + b"Content-Length: -1\r\n\r\n").startswith(b"HTTP/1.1 411")
    assert raw(address, head + b"\r\n").startswith(b"HTTP/1.1 411")


def test_given_too_many_connections_when_one_more_comes_then_it_is_told_to_come_back(address: tuple[str, int]) -> None:
    held = [socket.create_connection(address, timeout=10) for _ in range(32)]
    try:
        for plain in held:  # each is being served once it has been answered
            plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert plain.recv(65_536).startswith(b"HTTP/1.1 200")
        assert raw(address, b"").startswith(b"HTTP/1.1 503")
    finally:
        for plain in held:
            plain.close()
