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
    environment = {**os.environ, "CAPMART_PORT": str(port), "PAGES_DIR": str(PROJECT / "pages")}
    with subprocess.Popen([program], env=environment) as service:
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


def ask(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json", "Accept-Language": "zh-CN"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_given_the_example_when_called_then_its_output(port: int) -> None:
    status, answer = ask(port, "POST", "/api/area", (PROJECT / "examples/plate.in.json").read_bytes())
    expected: Any = json.loads((PROJECT / "examples/plate.out.json").read_text("utf-8"))
    assert (status, json.loads(answer)) == (200, expected)


@pytest.mark.parametrize(
    ("body", "status"), [(b'{"length":-1,"width":1}', 422), (b'{"length":1}', 400), (b"[", 400), (b"", 400)]
)
def test_given_a_wrong_body_when_posted_then_a_problem_in_both_languages(port: int, body: bytes, status: int) -> None:
    found, answer = ask(port, "POST", "/api/area", body)
    problem = json.loads(answer)
    assert (found, problem["status"]) == (status, status)
    assert problem["detail"] == problem["zh"] != problem["en"]


def test_given_the_service_when_asked_for_its_health_then_ok(port: int) -> None:
    assert ask(port, "GET", "/healthz") == (200, b"ok\n")
    assert ask(port, "GET", "/none")[0] == 404


def test_given_the_page_when_fetched_then_its_files(port: int) -> None:
    assert b"app.js" in ask(port, "GET", "/")[1]
    assert [ask(port, "GET", path)[0] for path in ("/app.css", "/app.js", "/../src/main.c")] == [200, 200, 404]
