"""What a hostile center shows, and what the node says to it: each refusal with its own error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from capmart_core.errors import (
    ComponentNotFound,
    KeyNotGranted,
    KeyRevoked,
    LogFrozen,
    NamespaceNotHome,
    OriginNotTrusted,
    ReleaseNotInstallable,
)
from capmart_core.identifiers import digest_of
from capmart_core.log import LogKey
from capmart_core.signing import Ed25519Signer
from capmart_core.times import format_utc, now_utc
from capmart_sdk.client import CenterClient
from capmart_sdk.config import Home
from capmart_sdk.node import Node
from capmart_sdk.trust import TrustedOrigin, TrustStore
from tests.support.simulated_log import SimulatedLog

OTHER = "brain.motor.example"


class HostileCenter(httpx.BaseTransport):
    """A center that serves logs which are honestly signed but say what they must not, and a catalog to match.

    Attributes:
        own: its own log.
        relayed: a log that it relays.
        catalog: what it answers about components, by id.
    """

    def __init__(self, own: SimulatedLog, relayed: SimulatedLog, addresses: dict[str, str]) -> None:
        self.own = own
        self.relayed = relayed
        self.catalog: dict[str, object] = {}
        self._addresses = addresses
        self._network = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The log's own server answers for logs; the rest is here."""
        path = request.url.path
        for prefix, origin in ((f"/log/origins/{OTHER}/", OTHER), ("/log/", self.own.origin)):
            if path.startswith(prefix):
                address = httpx.URL(f"{self._addresses[origin]}/{path.removeprefix(prefix)}", query=request.url.query)
                headers = [(name, value) for name, value in request.headers.raw if name.lower() != b"host"]
                return self._network.handle_request(
                    httpx.Request("GET", address, headers=headers, extensions=request.extensions)
                )
        if path == "/.well-known/capmart.json":
            return httpx.Response(200, json={**_offer(self.own, "/log"), "upstreams": [self._upstream()]})
        answer = self.catalog.get(path.removeprefix("/api/v1/components/"))
        return httpx.Response(404) if answer is None else httpx.Response(200, content=json.dumps(answer))

    def close(self) -> None:
        """Close the connections."""
        self._network.close()

    def _upstream(self) -> dict[str, str]:
        return _offer(self.relayed, f"/log/origins/{OTHER}")


def _offer(log: SimulatedLog, path: str) -> dict[str, str]:
    return {"origin": log.origin, "log_key": str(LogKey(log.origin, log.signer.public)), "log": path}


@pytest.fixture
def hostile() -> Iterator[HostileCenter]:
    own, relayed = SimulatedLog(), SimulatedLog(OTHER)
    own.open_namespace()
    with ExitStack() as stack:
        addresses = {log.origin: stack.enter_context(log.serving()) for log in (own, relayed)}
        yield HostileCenter(own, relayed, addresses)


@pytest.fixture
def center(hostile: HostileCenter) -> Iterator[CenterClient]:
    with CenterClient("http://hostile.example", transport=hostile) as client:
        yield client


@pytest.fixture
def node(hostile: HostileCenter, tmp_path: Path, isolated_home: Path) -> Iterator[Node]:  # its own home
    trust(hostile.own)
    with Node(tmp_path / "node", runner="process") as opened:
        yield opened


def trust(log: SimulatedLog) -> None:
    """Believe a log, as ``capmart trust add`` does."""
    added = format_utc(now_utc())
    store = TrustStore(Home.default().trust)
    store.add(TrustedOrigin(origin=log.origin, key=str(log.signer.public), added=added))


def installed_nothing(node: Node) -> bool:
    return not node.lock().components and not (node.path / "installed").exists()


def test_a_release_signed_by_a_key_that_the_namespace_does_not_have(
    hostile: HostileCenter, center: CenterClient, node: Node
) -> None:
    stranger = Ed25519Signer.generate()
    hostile.own.say("publish", component="acme/tool", signer=stranger)
    hostile.own.sign()
    with pytest.raises(KeyNotGranted) as caught:
        node.install(["acme/tool@^1"], center)
    assert caught.value.data["keyid"] == stranger.public.keyid
    assert "capmart key add acme" in caught.value.advice("en")
    assert installed_nothing(node)


def test_a_release_signed_by_a_revoked_key(hostile: HostileCenter, center: CenterClient, node: Node) -> None:
    log = hostile.own
    log.act("key.revoke", namespace="acme", keyid=log.publisher.public.keyid, from_index=len(log.leaves))
    log.say("publish", component="acme/tool")
    log.sign()
    with pytest.raises(KeyRevoked):
        node.install(["acme/tool"], center)
    assert installed_nothing(node)


def test_a_higher_version_of_another_logs_namespace_is_refused(
    hostile: HostileCenter, center: CenterClient, node: Node
) -> None:
    trust(hostile.relayed)
    hostile.own.say("publish", component="acme/tool", version="1.0.0")
    hostile.own.sign()
    hostile.relayed.open_namespace("acme")
    hostile.relayed.say("publish", component="acme/tool", version="9.0.0")
    hostile.relayed.sign()
    with pytest.raises(NamespaceNotHome):
        node.install(["acme/tool@^9"], center)
    assert installed_nothing(node)


def test_a_release_of_a_relayed_log_that_nobody_trusts(
    hostile: HostileCenter, center: CenterClient, node: Node
) -> None:
    digest = digest_of(b"package")
    release = {"version": "1.0.0", "state": "listed", "digest": digest, "home": OTHER}
    hostile.catalog["motor/tool"] = {"id": "motor/tool", "home": OTHER, "releases": [release]}
    with pytest.raises(OriginNotTrusted) as caught:
        node.install(["motor/tool"], center)
    assert caught.value.data["fingerprint"] == hostile.relayed.signer.public.fingerprint
    assert node.store().state(OTHER) is None


def test_a_log_that_stands_still(hostile: HostileCenter, center: CenterClient, node: Node) -> None:
    hostile.own.sign(now_utc() - timedelta(days=3))
    with pytest.raises(LogFrozen):
        node.install(["acme/tool"], center)


def test_a_quarantined_release_says_why_in_the_language_asked_for(
    hostile: HostileCenter, center: CenterClient, node: Node
) -> None:
    hostile.own.say("publish", component="acme/tool")
    hostile.own.act("quarantine", component="acme/tool")
    hostile.own.sign()
    node.language = "zh"
    with pytest.raises(ReleaseNotInstallable) as caught:
        node.install(["acme/tool"], center)
    assert caught.value.data["state"] == "quarantined"
    assert "原因" in caught.value.message("zh")


def test_what_nobody_has(center: CenterClient, node: Node) -> None:
    with pytest.raises(ComponentNotFound):
        node.install(["acme/absent"], center)
