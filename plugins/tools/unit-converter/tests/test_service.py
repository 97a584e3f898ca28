"""The compiled service, spoken to over HTTP as the sandbox does."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs a C compiler: cc or gcc")
    program = tmp_path_factory.mktemp("build") / "service"
    sources = [str(file) for file in sorted((PROJECT / "src").glob("*.c"))]
    flags = ["-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
    flags += ["-fsanitize=address,undefined", "-fno-sanitize-recover"]
    subprocess.run([compiler, *flags, "-o", str(program), *sources, "-pthread", "-lm"], check=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    with subprocess.Popen([program], env={**os.environ, "CAPMART_PORT": str(port)}) as service:
        try:
            for _ in range(200):
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except ConnectionRefusedError:
                    time.sleep(0.05)
            yield port
            assert service.poll() is None, "the service died"
        finally:
            service.terminate()


def post(port: int, path: str, body: bytes, **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def convert(port: int, value: float, source: str, target: str) -> float:
    status, answer = post(port, "/api/convert", json.dumps({"value": value, "from": source, "to": target}).encode())
    assert status == 200, answer
    return float(answer["value"])


@pytest.mark.parametrize("name", ["pressure", "energy"])
def test_given_an_example_when_called_then_its_output(port: int, name: str) -> None:
    given = (PROJECT / f"examples/{name}.in.json").read_bytes()
    expected = json.loads((PROJECT / f"examples/{name}.out.json").read_text("utf-8"))
    assert post(port, "/api/convert", given) == (200, expected)


@pytest.mark.parametrize(
    ("value", "source", "target", "expected"),
    [
        (1, "atm", "kPa", 101.325),
        (1, "MPa", "psi", 145.03773773),
        (1, "kgf/cm2", "bar", 0.980665),
        (760, "mmHg", "atm", 1.00000014),
        (7000, "kcal", "kgce", 1.0000205),
        (1, "kWh", "kgce", 3600 / 29307),
        (1, "Btu", "kJ", 1.05505585262),
        (-2.5e-3, "MWh", "kWh", -2.5),
    ],
)
def test_given_known_conversions_when_called_then_their_values(
    port: int, value: float, source: str, target: str, expected: float
) -> None:
    assert convert(port, value, source, target) == pytest.approx(expected, rel=1e-7)


def test_given_the_units_when_listed_then_each_is_in_the_input_schema_and_has_a_source(port: int) -> None:
    status, units = post(port, "/api/units", b"{}")
    schema = json.loads((PROJECT / "schemas/convert.input.json").read_text("utf-8"))

    assert status == 200
    assert [unit["symbol"] for unit in units] == schema["properties"]["from"]["enum"]
    assert all(unit["source"] and unit["zh"] and unit["en"] and unit["factor"] > 0 for unit in units)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"value":1,"from":"bar","to":"J"}', 422, "refused"),
        (b'{"value":1,"from":"bar","to":"furlong \\u4f60\\ud83d\\ude00"}', 422, "refused"),
        (b'{"value":1e308,"from":"tce","to":"J"}', 422, "refused"),
        (b'{"value":"1","from":"bar","to":"Pa"}', 400, "input_rejected"),
        (b'{"value":1,"from":"bar"}', 400, "input_rejected"),
        (b'{"value":1,"from":"bar","to":"Pa","other":null}', 400, "input_rejected"),
        (b"", 400, "invalid_json"),
        (b"[1]", 400, "invalid_json"),
        (b'{"value":01,"from":"bar","to":"Pa"}', 400, "invalid_json"),
        (b'{"value":1e999,"from":"bar","to":"Pa"}', 400, "invalid_json"),
        (b'{"value":NaN,"from":"bar","to":"Pa"}', 400, "invalid_json"),
        (b'{"value":1,"value":2,"from":"bar","to":"Pa"}', 400, "invalid_json"),
        (b'{"value":{"a":1},"from":"bar","to":"Pa"}', 400, "invalid_json"),
        (b'{"value":1,"from":"\\ud83d","to":"Pa"}', 400, "invalid_json"),
        (b'{"value":1,"from":"\xff","to":"Pa"}', 400, "invalid_json"),
        (b'{"value":1,"from":"\\u0000","to":"Pa"}', 400, "invalid_json"),
        (b'{"value":1,"from":"' + b"x" * 300 + b'","to":"Pa"}', 400, "invalid_json"),
        (b"{" + b",".join(b'"a%d":1' % n for n in range(20)) + b"}", 400, "invalid_json"),
    ],
)
def test_given_a_wrong_body_when_posted_then_a_problem_in_both_languages(
    port: int, body: bytes, status: int, code: str
) -> None:
    found, problem = post(port, "/api/convert", body, Accept_Language="zh-CN")

    assert (found, problem["status"], problem["code"]) == (status, status, code)
    assert problem["detail"] == problem["zh"] != problem["en"]


def raw(port: int, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        plain.sendall(request)
        plain.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := plain.recv(65_536):
            answer += chunk
        return answer


def test_given_requests_out_of_bounds_when_sent_then_refused_and_closed(port: int) -> None:
    head = b"POST /api/convert HTTP/1.1\r\nHost: x\r\n"
    assert raw(port, head + b"Content-Length: 70000\r\n\r\n").startswith(b"HTTP/1.1 413")
    assert raw(port, head + b"Content-Length: 99999999999999999999\r\n\r\n").startswith(b"HTTP/1.1 413")
    assert raw(port, head + b"Content-Length: -5\r\n\r\n").startswith(b"HTTP/1.1 411")
    assert raw(port, head + b"\r\n").startswith(b"HTTP/1.1 411")
    assert raw(port, head + b"Transfer-Encoding: chunked\r\n\r\n").startswith(b"HTTP/1.1 411")
    assert raw(port, b"GET /" + b"x" * 9000).startswith(b"HTTP/1.1 431")
    assert raw(port, b"nonsense\r\n\r\n").startswith(b"HTTP/1.1 400")
    assert raw(port, b"GET \x00 HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 400")
    assert raw(port, b"") == b""


def test_given_pipelined_requests_when_sent_at_once_then_each_is_answered_in_turn(port: int) -> None:
    one = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = raw(port, one + b"GET /none HTTP/1.1\r\nHost: x\r\n\r\n" + one)

    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert (answer.count(b"HTTP/1.1 200 OK"), answer.count(b"HTTP/1.1 404")) == (2, 1)


def test_given_too_many_connections_when_one_more_comes_then_it_is_told_to_come_back(port: int) -> None:
    held = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(16)]
    try:
        for plain in held:
            plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert plain.recv(65_536).startswith(b"HTTP/1.1 200")
        with socket.create_connection(("127.0.0.1", port), timeout=10) as late:
            assert late.recv(65_536).startswith(b"HTTP/1.1 503")
    finally:
        for plain in held:
            plain.close()
