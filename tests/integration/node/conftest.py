from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from capmart_core.package import PackedPackage
from capmart_core.signing import Ed25519Signer, Signer
from capmart_core.times import format_utc, now_utc
from capmart_sdk.client import CenterClient
from capmart_sdk.config import Home
from capmart_sdk.node import Node
from capmart_sdk.publish import publish, wait_for_review
from capmart_sdk.trust import TrustedOrigin, TrustStore, offers
from tests.support.center import RunningCenter
from tests.support.packages import ACTION_CODE, make_package, manifest_json

SETTINGS = {
    "CAPMART_CENTER_RUNNER": "process",
    "CAPMART_CENTER_PROCESS_NAMESPACES": '["acme"]',
    "CAPMART_CENTER_AUTO_APPROVE": '["acme"]',
}
PASSWORD = "correct horse battery"
Change = Callable[[httpx.Request, bytes], bytes]


class Shop:
    """A running center with namespace ``acme`` and its publisher, whose submissions need no reviewer.

    Attributes:
        token: of the publisher.
        signer: the key that ``acme`` has.
    """

    def __init__(self, running: RunningCenter, folder: Path) -> None:
        self.running = running
        self.url = running.url
        self.signer: Signer = Ed25519Signer.generate()
        self._folder = folder
        self._made = 0
        scopes = ("read", "push", "publish", "namespace")
        self.token = running.add_account("dev", org="acme", role="developer", password=PASSWORD, scopes=scopes)
        grant = {"namespace": "acme", "organisation": "acme"}
        running.api("POST", "/api/v1/namespaces", token=running.admin_token, body=grant, expect=201)
        key = {"key": str(self.signer.public)}
        running.api("POST", "/api/v1/namespaces/acme/keys", token=self.token, body=key, expect=201)
        self.publisher = CenterClient(running.url, token=self.token, account="dev")

    def package(self, name: str, version: str = "1.0.0", *, code: bytes = ACTION_CODE, **changes: Any) -> PackedPackage:
        """A package of a small component, not published."""
        self._made += 1
        given = {"examples": manifest_json()["examples"], **changes, "id": f"acme/{name}", "version": version}
        return make_package(self._folder / str(self._made), code=code, **given)

    def publish(self, name: str, version: str = "1.0.0", **changes: Any) -> PackedPackage:
        """A small component, listed."""
        packed = self.package(name, version, **changes)
        submission = publish(self.publisher, packed.path, self.signer).submission
        found = wait_for_review(self.publisher, submission, timeout_s=60)
        assert found.state == "listed", [finding.message.en for finding in found.findings]
        return packed

    def decide(self, op: str, name: str, version: str = "1.0.0", **body: Any) -> None:
        """An act of the center about a release."""
        path = f"/api/v1/components/acme/{name}/releases/{version}/{op}"
        self.running.api("POST", path, token=self.running.admin_token, body=body)


class Altering(httpx.BaseTransport):
    """The real network with somebody in between who changes answers to requests for ``part`` of a path.

    Args:
        part: of the paths concerned.
        change: gives the body to hand on; it may raise to break the connection.
    """

    def __init__(self, part: str, change: Change) -> None:
        self._part = part
        self._change = change
        self._network = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Ask the real server, then meddle."""
        answer = self._network.handle_request(request)
        if self._part not in request.url.path or request.method == "HEAD":
            return answer
        answer.read()
        body = self._change(request, answer.content)
        kept = {
            name: value
            for name, value in answer.headers.items()
            if name not in {"content-length", "content-encoding", "transfer-encoding"}
        }
        return httpx.Response(answer.status_code, headers=kept, stream=httpx.ByteStream(body))

    def close(self) -> None:
        """Close the connections."""
        self._network.close()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    made = RunningCenter.make(
        folder / "center", "center.zhejiang.example", title_zh="省中心", title_en="Province", env=SETTINGS
    )
    with made:
        opened = Shop(made, folder / "packages")
        yield opened
        opened.publisher.close()


@pytest.fixture
def center(shop: Shop) -> Iterator[CenterClient]:
    """What an enterprise sees of the center: no token."""
    with CenterClient(shop.url) as client:
        yield client


@pytest.fixture
def meddled(shop: Shop) -> Iterator[Callable[[str, Change], CenterClient]]:
    """Makes a client between which and the center somebody sits."""
    made: list[CenterClient] = []

    def between(part: str, change: Change) -> CenterClient:
        made.append(CenterClient(shop.url, transport=Altering(part, change)))
        return made[-1]

    yield between
    for client in made:
        client.close()


@pytest.fixture
def trust(isolated_home: Path, center: CenterClient) -> TrustStore:  # the home must be the test's own
    """A store that trusts the center's own log."""
    store = TrustStore(Home.default().trust)
    own = offers(center.about(), url=center.url)[0]
    store.add(TrustedOrigin(origin=own.origin, key=str(own.key), url=center.url, added=format_utc(now_utc())))
    return store


@pytest.fixture
def node(tmp_path: Path, trust: TrustStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:  # as above
    """An empty node that trusts the center, and namespace ``acme`` to run as plain processes."""
    monkeypatch.setenv("CAPMART_SANDBOX_PROCESS_NAMESPACES", "acme")
    monkeypatch.setenv("CAPMART_SANDBOX_CACHE", str(tmp_path / "cache"))
    with Node(tmp_path / "node", runner="process") as opened:
        yield opened
