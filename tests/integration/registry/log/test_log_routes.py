"""What ``/log/`` answers, from a real server: exact bytes, in bounds, whatever is asked."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import httpx
import pytest

from capmart_core.identifiers import digest_of
from capmart_core.log import Frontier, leaf_hash, unpack_entries
from capmart_core.log.tiles import FrameParser
from capmart_core.signing import Ed25519Signer
from capmart_registry.log import reader as reader_module
from capmart_registry.log import service as log

pytestmark = pytest.mark.usefixtures("listed")


@pytest.fixture(scope="module")
def listed(served: Any) -> list[str]:
    """Digests of the manifests of three releases."""
    return [served.small.publish(id=f"acme/logged-{number}").config for number in range(3)]


def size_of(client: httpx.Client) -> int:
    return int(client.get("/log/checkpoint").text.splitlines()[1])


def bodies_in(data: bytes) -> list[bytes]:
    parser = FrameParser(4, 4 << 20)
    bodies = list(parser.feed(data))
    assert not parser.pending
    return bodies


def test_given_a_log_then_checkpoint_entries_and_tiles_say_the_same(served: Any, nobody: httpx.Client) -> None:
    answer = nobody.get("/log/checkpoint")
    origin, size, root = answer.text.splitlines()[:3]
    assert origin == served.small.origin
    leaves = unpack_entries(nobody.get("/log/entries", params={"start": 0, "limit": 1000}).content)
    assert len(leaves) == int(size)
    hashes = [leaf_hash(leaf) for leaf in leaves]
    reader = log.readers(served.center)[origin]
    assert Frontier().add(hashes).root() == reader.checkpoint().root
    assert root in reader.checkpoint().note.decode()
    assert nobody.get(f"/log/tile/0/000.p/{size}").content == b"".join(hashes)
    assert unpack_entries(nobody.get(f"/log/tile/entries/000.p/{size}").content) == leaves
    again = nobody.get("/log/checkpoint", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(("limit", "most"), [(0, 1), (-5, 1), (2, 2), (10**9, 1000)])
def test_given_any_limit_then_the_answer_is_within_bounds(nobody: httpx.Client, limit: int, most: int) -> None:
    size = size_of(nobody)
    entries = nobody.get("/log/entries", params={"start": 0, "limit": limit})
    bodies = nobody.get("/log/bodies", params={"start": 0, "limit": limit})
    assert len(unpack_entries(entries.content)) == min(most, size)
    assert len(bodies_in(bodies.content)) == min(most, size)


@pytest.mark.parametrize("path", ["/log/entries", "/log/bodies"])
@pytest.mark.parametrize(("start", "status"), [("-1", 422), ("x", 422), (str(2**53 + 1), 422), (str(2**53), 200)])
def test_given_a_start_outside_the_log_then_nothing_or_a_clear_error(
    nobody: httpx.Client, path: str, start: str, status: int
) -> None:
    answer = nobody.get(path, params={"start": start})
    assert answer.status_code == status
    assert status == 422 or answer.content == b""


@pytest.mark.parametrize(
    "path", ["0/000", "0/001", "8/000", "entries/000", "0/000.p/0", "0/000.p/256", "00/000", "0/x000/000", "0/../000"]
)
def test_given_a_tile_that_the_log_does_not_have_then_it_is_not_there(nobody: httpx.Client, path: str) -> None:
    assert nobody.get(f"/log/tile/{path}").status_code in {400, 404}


def test_given_bodies_then_each_is_the_manifest_that_its_entry_publishes(
    nobody: httpx.Client, listed: list[str]
) -> None:
    bodies = bodies_in(nobody.get("/log/bodies", params={"start": 0}).content)
    assert len(bodies) == min(size_of(nobody), 200)
    assert [digest_of(body) for body in bodies if body] == listed
    assert all(json.loads(body)["id"].startswith("acme/logged-") for body in bodies if body)


def test_given_a_client_that_reads_zstd_then_the_same_bytes_come_smaller(nobody: httpx.Client) -> None:
    plain = nobody.get("/log/entries?start=0", headers={"Accept-Encoding": "identity"})
    small = nobody.get("/log/entries?start=0", headers={"Accept-Encoding": "zstd"})
    assert "content-encoding" not in plain.headers
    assert small.headers["content-encoding"] == "zstd"
    assert small.content == plain.content  # httpx has unpacked it
    assert int(small.headers["content-length"]) < len(plain.content)


def test_given_entries_larger_than_an_answer_then_pages_lead_through_all(
    served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = log.readers(served.center)[served.small.origin]
    whole, manifests = unpack_entries(reader.entries(0, 1000)), bodies_in(reader.bodies(0, 200))
    monkeypatch.setattr(reader_module, "MAX_ANSWER_BYTES", 1500)
    leaves: list[bytes] = []
    while part := unpack_entries(reader.entries(len(leaves), 1000)):
        assert sum(map(len, part[:-1])) < 1500
        leaves += part
    bodies: list[bytes] = []
    while part := bodies_in(reader.bodies(len(bodies), 200)):
        assert sum(map(len, part[:-1])) < 1500
        bodies += part
    assert leaves == whole
    assert bodies == manifests


def test_given_a_poll_that_waits_when_an_entry_comes_then_it_is_answered(served: Any, nobody: httpx.Client) -> None:
    size, answers = size_of(nobody), []

    def poll() -> None:
        found = httpx.get(f"{served.url}/log/entries", params={"start": size, "wait": 60}, timeout=90)
        answers.append(unpack_entries(found.content))

    waiting = threading.Thread(target=poll)
    waiting.start()
    time.sleep(0.3)
    assert not answers
    started = time.monotonic()
    with served.center.db.write() as session:
        served.small.add_key(session, "acme", Ed25519Signer.generate())
    waiting.join(60)
    assert [len(one) for one in answers] == [1]
    assert time.monotonic() - started < 30, "it waited to the end"


def test_given_an_origin_that_is_not_relayed_then_it_is_not_there(nobody: httpx.Client) -> None:
    for path in ("checkpoint", "entries?start=0", "bodies?start=0", "tile/0/000.p/1"):
        answer = nobody.get(f"/log/origins/somebody.example/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
