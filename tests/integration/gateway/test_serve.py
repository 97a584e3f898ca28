"""``capmart serve`` as a process of its own: actions, an application on its own origin, and what neither may do."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.center import capmart
from tests.support.processes import CAPMART, Process, free_port
from tests.support.shop import Shop, open_shop

APPLICATION = b"""
import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        page = "<html><h1>" + self.headers["Host"] + " " + self.path + "</h1></html>"
        self.answer(page.encode(), "text/html", ("Set-Cookie", "seen=1; Domain=localhost; Path=/"))

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/echo":
            self.answer(body, "application/octet-stream")
            return
        value = json.loads(body)
        self.answer(json.dumps(value["a"] + value["b"]).encode(), "application/json")

    def answer(self, body, kind, *more):
        self.send_response(200)
        for name, value in (("Content-Type", kind), ("Content-Length", str(len(body))), *more):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["CAPMART_PORT"])), Handler).serve_forever()
"""


class Served:
    """A gateway over a node with a tool and an application."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)

    def application(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request to the application's own origin."""
        host = f"counter--acme.localhost:{self.port}"
        return self.http.request(method, path, headers={"Host": host}, **options)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with open_shop(tmp_path_factory.mktemp("shop")) as opened:
        opened.publish("sum")
        delivery = {
            "type": "python",
            "entry": "acme_sum:main",
            "runtimes": ["python3.11-any"],
            "http": {"port": 8080, "health": "/healthz", "page": "/"},
        }
        number = {"type": "number"}
        action = {
            "name": "add",
            "title": {"zh": "相加", "en": "Add"},
            "input": {"type": "object", "properties": {"a": number, "b": number}, "required": ["a", "b"]},
            "output": number,
            "path": "/api/add",
        }
        taxonomy = {"subkind": "industry-ecosystem"}
        opened.publish(
            "counter", code=APPLICATION, kind="application", delivery=delivery, actions=[action], taxonomy=taxonomy
        )
        yield opened


@pytest.fixture(scope="module")
def served(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("enterprise")
    env = {
        "CAPMART_HOME": str(folder / "home"),
        "CAPMART_RUNNER": "process",
        "CAPMART_SANDBOX_PROCESS_NAMESPACES": "acme",
        "CAPMART_SANDBOX_CACHE": str(folder / "cache"),
        "CAPMART_LANG": "en",
    }
    capmart("trust", "add", shop.url, "--fingerprint", shop.running.fingerprint, env=env)
    capmart("install", "acme/sum", "acme/counter", "--yes", env=env)
    port = free_port()
    command: list[str | Path] = [CAPMART, "serve", "--port", str(port)]
    with Process(command, log=folder / "serve.log", env={**os.environ, **env}) as process:
        process.wait_for_url(f"http://127.0.0.1:{port}/components", timeout_s=60)
        made = Served(port)
        yield made
        made.http.close()


def test_an_action_is_called(served: Served) -> None:
    answer = served.http.post("/components/acme/sum/actions/add", json={"a": 2, "b": 40})
    assert (answer.status_code, answer.json()) == (200, 42)


def test_an_answer_on_a_kept_connection_does_not_wait_for_an_acknowledgement(served: Served) -> None:
    times = [
        served.http.post("/components/acme/sum/actions/add", json={"a": 1, "b": 2}).elapsed.total_seconds()
        for _ in range(20)
    ]
    assert min(times) < 0.03, "the kernel delays an acknowledgement by 40 ms"


def test_calls_are_counted_for_prometheus(served: Served) -> None:
    served.http.post("/components/acme/sum/actions/add", json={"a": 1, "b": 2})
    answer = served.http.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert '\ncapmart_sandbox_calls_total{component="acme/sum@1.0.0",outcome="ok"} ' in answer.text


def test_an_action_of_an_application_is_called(served: Served) -> None:
    answer = served.http.post("/components/acme/counter/actions/add", json={"a": 1.5, "b": 2})
    assert (answer.status_code, answer.json()) == (200, 3.5)


def test_input_that_does_not_fit_says_where_in_the_language_asked_for(served: Served) -> None:
    headers = {"Accept-Language": "zh-CN"}
    answer = served.http.post("/components/acme/sum/actions/add", json={"a": 2, "b": "x"}, headers=headers)
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["code"], problem["data"]["path"]) == ("input_rejected", "b")
    assert "无效" in problem["detail"]
    assert 400 <= answer.status_code < 500


def test_what_is_not_there(served: Served) -> None:
    assert served.http.post("/components/acme/absent/actions/add", json={}).status_code == 404
    assert served.http.post("/components/acme/sum/actions/absent", json={}).status_code == 404


def test_what_is_installed_and_its_interface(served: Served) -> None:
    rows = {row["id"]: row for row in served.http.get("/components").json()}
    assert set(rows) == {"acme/sum", "acme/counter"}
    assert rows["acme/counter"]["application"].startswith("http://counter--acme.localhost:")
    described = served.http.get("/openapi.json").json()
    post = described["paths"]["/components/acme/sum/actions/add"]["post"]
    assert "a" in json.dumps(post["requestBody"])


def test_an_application_has_an_origin_of_its_own(served: Served) -> None:
    answer = served.application("GET", "/a%2Fb?q=1")
    assert answer.text == f"<html><h1>counter--acme.localhost:{served.port} /a%2Fb?q=1</h1></html>"
    assert answer.headers["set-cookie"] == "seen=1; Path=/"
    assert "acme/sum" not in served.application("GET", "/components").text


def test_bytes_pass_unchanged_both_ways(served: Served) -> None:
    body = os.urandom(3_000_000)
    assert served.application("POST", "/echo", content=body).content == body


def test_a_name_that_is_not_ours_is_refused(served: Served) -> None:
    answer = served.http.get("/components", headers={"Host": f"evil.example:{served.port}"})
    assert answer.status_code == 421
    assert served.http.get("/", headers={"Host": f"absent--acme.localhost:{served.port}"}).status_code == 404


def test_a_page_of_another_origin_calls_nothing(served: Served) -> None:
    path, value = "/components/acme/sum/actions/add", {"a": 1, "b": 2}
    origin = {"Origin": f"http://counter--acme.localhost:{served.port}"}
    assert served.http.post(path, json=value, headers=origin).status_code == 403
    simple = served.http.post(path, content=json.dumps(value), headers={"Content-Type": "text/plain"})
    assert 400 <= simple.status_code < 500


def test_an_input_without_end_is_cut_off(served: Served) -> None:
    headers = {"Content-Type": "application/json"}
    answer = served.http.post("/components/acme/sum/actions/add", content=b" " * 5_000_000, headers=headers)
    assert answer.status_code == 413


def test_calls_at_once(served: Served) -> None:
    def add(number: int) -> Any:
        return served.http.post("/components/acme/sum/actions/add", json={"a": number, "b": 1}).json()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(add, range(40))) == list(range(1, 41))
