"""The gateway's bounds: whose token, how large a body, what passes a proxy; in this process, over real applications."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from capmart_core.times import format_utc, now_utc
from capmart_sdk.client import CenterClient
from capmart_sdk.config import Home
from capmart_sdk.gateway import Gateway, GatewaySettings, build_gateway
from capmart_sdk.node import Node
from capmart_sdk.trust import TrustedOrigin, TrustStore, offers
from tests.support.packages import manifest_json
from tests.support.shop import Shop, open_shop

APPLICATION = b"""
import http.server, json, os, time


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        if self.path == "/stream":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for part in (b"one", b"two"):
                self.wfile.write(b"%x\\r\\n%s\\r\\n" % (len(part), part))
                self.wfile.flush()
                time.sleep(0.2)
            self.wfile.write(b"0\\r\\n\\r\\n")
            return
        self.answer({"path": self.path, "headers": dict(self.headers)})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline() or b"0", 16):
                body += self.rfile.read(size)
                self.rfile.readline()
        if self.path == "/actions/add":
            given = json.loads(body)
            self.answer(given["a"] + given["b"])
        else:
            self.answer({"bytes": len(body)})

    def answer(self, value):
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Set-Cookie", "session=1; Domain=localhost; Path=/")
        self.end_headers()
        self.wfile.write(data)


def serve():
    address = ("127.0.0.1", int(os.environ["CAPMART_PORT"]))
    http.server.ThreadingHTTPServer(address, Handler).serve_forever()
"""
HTTP: dict[str, Any] = {
    "kind": "application",
    "taxonomy": {"subkind": "industry-ecosystem", "industries": ["34"], "scenarios": ["production"]},
    "delivery": {
        "type": "python",
        "entry": "acme_sum:serve",
        "runtimes": ["python3.11-any"],
        "http": {"port": 8080, "health": "/healthz", "page": "/"},
    },
    "examples": None,
}
APP_HOST = "page--acme.localhost"
CALL = "/components/acme/plain/actions/add"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with open_shop(tmp_path_factory.mktemp("shop")) as opened:
        opened.publish("plain")
        actions = [{**manifest_json()["actions"][0], "path": "/actions/add"}]
        opened.publish("page", code=APPLICATION, actions=actions, **HTTP)
        yield opened


@pytest.fixture
def served(shop: Shop, isolated_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    """A node with both installed."""
    monkeypatch.setenv("CAPMART_SANDBOX_PROCESS_NAMESPACES", "acme")
    monkeypatch.setenv("CAPMART_SANDBOX_CACHE", str(tmp_path / "cache"))
    with CenterClient(shop.url) as center, Node(tmp_path / "node", runner="process") as node:
        own = offers(center.about(), url=center.url)[0]
        trusted = TrustedOrigin(origin=own.origin, key=str(own.key), url=center.url, added=format_utc(now_utc()))
        TrustStore(Home.default().trust).add(trusted)
        node.install(["acme/plain", "acme/page"], center)
        yield node


@pytest.fixture
def gateway(served: Node) -> Gateway:
    return build_gateway(served, GatewaySettings(max_body_bytes=100_000, max_input_bytes=1000))


def ask(gateway: Gateway, method: str, path: str, *, host: str = "localhost:8700", **options: Any) -> httpx.Response:
    """One request to the gateway."""

    async def go() -> httpx.Response:
        transport = httpx.ASGITransport(gateway)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
            answer = await client.request(method, path, **options)
        await gateway.close()
        return answer

    return anyio.run(go)


def test_an_input_over_the_limit_is_refused(gateway: Gateway) -> None:
    assert ask(gateway, "POST", CALL, json={"a": 1, "b": "x" * 2000}).status_code == 413


def test_input_that_is_not_json_is_refused(gateway: Gateway) -> None:
    answer = ask(gateway, "POST", CALL, content=b"{", headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_json")


def test_given_a_body_over_the_limit_then_it_is_refused_with_and_without_a_length(gateway: Gateway) -> None:
    async def endless() -> Any:
        for _ in range(20):
            yield b"x" * 10_000

    assert ask(gateway, "POST", "/upload", host=APP_HOST, content=b"x" * 50_000).json() == {"bytes": 50_000}
    assert ask(gateway, "POST", "/upload", host=APP_HOST, content=b"x" * 100_001).status_code == 413
    assert ask(gateway, "POST", "/upload", host=APP_HOST, content=endless()).status_code == 413


def test_what_only_the_gateway_may_say_reaches_no_application(gateway: Gateway) -> None:
    given = {"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Host": "evil.example", "Forwarded": "for=6.6.6.6"}
    seen = ask(gateway, "GET", "/some/where?x=%2F&y=1", host=APP_HOST, headers=given).json()
    passed = {name.lower(): value for name, value in seen["headers"].items()}
    assert seen["path"] == "/some/where?x=%2F&y=1"
    assert (passed["host"], passed["x-forwarded-host"]) == (APP_HOST, APP_HOST)
    assert "6.6.6.6" not in str(passed)


def test_an_answer_in_parts_arrives_in_parts(gateway: Gateway) -> None:
    answer = ask(gateway, "GET", "/stream", host=APP_HOST)
    assert answer.content == b"onetwo"
    assert "content-length" not in answer.headers


def test_a_component_without_a_page_has_no_origin(gateway: Gateway) -> None:
    assert ask(gateway, "GET", "/", host="plain--acme.localhost").status_code == 404


def test_the_page_for_people_is_inert(gateway: Gateway) -> None:
    page = ask(gateway, "GET", "/")
    assert f"http://{APP_HOST}:8700/" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_given_another_machine_can_reach_it_then_calls_need_the_token(served: Node) -> None:
    open_to_all = build_gateway(served, GatewaySettings(host="0.0.0.0"))  # noqa: S104  # never listens
    token = open_to_all.made_token
    assert token is not None
    refused = ask(open_to_all, "POST", CALL, json={"a": 1, "b": 2})
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, 'Bearer realm="capmart"')
    wrong = ask(open_to_all, "POST", CALL, json={"a": 1, "b": 2}, headers={"Authorization": "Bearer x"})
    assert wrong.status_code == 401
    assert ask(open_to_all, "GET", "/metrics").status_code == 401
    right = ask(open_to_all, "POST", CALL, json={"a": 1, "b": 2}, headers={"Authorization": f"Bearer {token}"})
    assert (right.status_code, right.json()) == (200, 3)
