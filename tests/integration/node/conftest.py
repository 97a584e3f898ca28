from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from capmart_core.times import format_utc, now_utc
from capmart_sdk.client import CenterClient
from capmart_sdk.config import Home
from capmart_sdk.node import Node
from capmart_sdk.trust import TrustedOrigin, TrustStore, offers
from tests.support.shop import Shop, open_shop

Change = Callable[[httpx.Request, bytes], bytes]


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
    with open_shop(tmp_path_factory.mktemp("shop")) as opened:
        yield opened


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
