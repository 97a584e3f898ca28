"""Uploads that are cut, repeated, raced and forged; names that try to be paths."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

REPO = "/v2/acme/uploads"


@pytest.fixture
def dev(served: Any) -> Any:
    with served.client(served.bearer(("dev", served.owner))) as client:
        yield client


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def begin(client: httpx.Client) -> str:
    answer = client.post(f"{REPO}/blobs/uploads/")
    assert answer.status_code == 202
    return str(answer.headers["location"])


def code(answer: httpx.Response) -> str:
    return str(answer.json()["errors"][0]["code"])


def test_c3_given_an_upload_cut_in_the_middle_then_another_connection_goes_on_where_it_stopped(
    served: Any, dev: httpx.Client
) -> None:
    data = os.urandom(3 << 20)
    location = begin(dev)
    with socket.create_connection(("127.0.0.1", served.port)) as raw:
        head = (
            f"PATCH {location} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {dev.headers['authorization']}\r\n"
            f"Content-Type: application/octet-stream\r\nContent-Length: {len(data)}\r\n\r\n"
        )
        raw.sendall(head.encode() + data[: 1 << 20])
        time.sleep(0.5)
    size = 0
    until = time.monotonic() + 20
    while size < 1 << 20 and time.monotonic() < until:
        status = dev.get(location)
        assert status.status_code == 204
        size = int(status.headers["range"].rpartition("-")[2]) + 1
        time.sleep(0.1)
    assert size == 1 << 20, "what arrived before the connection broke is lost"
    rest = {"Content-Range": f"{size}-{len(data) - 1}", "Content-Type": "application/octet-stream"}
    with served.client(dev.headers["authorization"].removeprefix("Bearer ")) as other:
        moved = other.patch(location, content=data[size:], headers=rest)
        assert moved.status_code == 202
        done = other.put(moved.headers["location"], params={"digest": digest(data)})
    assert done.status_code == 201
    assert dev.get(done.headers["location"]).content == data


def test_c3_given_a_chunk_that_begins_elsewhere_then_416_says_how_far_the_upload_is(dev: httpx.Client) -> None:
    location = begin(dev)
    first = dev.patch(location, content=b"0123456789", headers={"Content-Range": "0-9"})
    assert first.headers["range"] == "0-9"
    for wrong in ("5-9", "20-29", "0-9"):
        answer = dev.patch(location, content=b"x" * 10, headers={"Content-Range": wrong})
        assert (answer.status_code, code(answer)) == (416, "BLOB_UPLOAD_INVALID")
        assert answer.headers["range"] == "0-9"
    assert dev.put(location, params={"digest": digest(b"0123456789")}).status_code == 201


def test_c3_given_another_digest_then_nothing_is_kept_under_either(dev: httpx.Client) -> None:
    data = os.urandom(1000)
    answer = dev.put(begin(dev), content=data, params={"digest": digest(b"something else")})
    assert (answer.status_code, code(answer)) == (400, "DIGEST_INVALID")
    for one in (digest(data), digest(b"something else")):
        assert dev.head(f"{REPO}/blobs/{one}").status_code == 404


def test_c3_given_an_upload_of_another_repository_or_account_then_it_is_unknown(served: Any, dev: httpx.Client) -> None:
    location = begin(dev)
    elsewhere = location.replace("/acme/uploads/", "/acme/other/")
    assert dev.get(elsewhere).status_code == 404
    with served.client(served.bearer(("eve", served.stranger))) as eve:
        assert eve.patch(location, content=b"x").status_code in (403, 404)
        assert eve.put(location, params={"digest": digest(b"")}).status_code in (403, 404)
    assert dev.get(location).headers["range"] == "0-0"


def test_c2_given_fifty_clients_with_the_same_blob_at_once_then_all_succeed_and_one_copy_is_kept(
    served: Any, dev: httpx.Client
) -> None:
    data = os.urandom(100_000)
    bearer = dev.headers["authorization"].removeprefix("Bearer ")

    def push() -> int:
        with served.client(bearer) as client:
            return int(client.put(begin(client), content=data, params={"digest": digest(data)}).status_code)

    assert set(at_once(50, push)) == {201}
    copies = [path for path in served.small.folder.rglob(digest(data).removeprefix("sha256:")) if path.is_file()]
    assert len(copies) == 1
    assert dev.get(f"{REPO}/blobs/{digest(data)}").content == data


def test_c7_given_a_token_of_another_namespace_or_none_then_nothing_is_written(served: Any) -> None:
    for bearer, expected in ((None, {401}), (served.bearer(("eve", served.stranger)), {403}), ("v2.forged", {401})):
        with served.client(bearer) as client:
            assert client.post(f"{REPO}/blobs/uploads/").status_code in expected
            manifest = client.put(f"{REPO}/manifests/1.0", content=b"{}")
            assert manifest.status_code in expected
            assert client.delete(f"{REPO}/blobs/{digest(b'')}").status_code in expected


@pytest.mark.parametrize(
    "path",
    [
        "/v2/acme/../globex/manifests/latest",
        "/v2/acme/%2e%2e/manifests/latest",
        "/v2/acme%2fuploads/manifests/latest",
        "/v2/ACME/uploads/manifests/latest",
        "/v2/acme/up%00loads/manifests/latest",
        "/v2/acme/上传/manifests/latest",
        f"{REPO}/manifests/..%2f..%2fcenter.db",
        f"{REPO}/manifests/.hidden",
        f"{REPO}/manifests/{'x' * 129}",
        f"{REPO}/blobs/sha256:..%2f..%2f..%2fetc%2fpasswd",
        f"{REPO}/blobs/sha256:{'A' * 64}",
        f"{REPO}/blobs/md5:{'0' * 32}",
        f"{REPO}/blobs/uploads/..%2f..%2fcenter.toml",
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_c11_given_a_name_that_tries_to_be_a_path_then_it_is_refused(served: Any, path: str, method: str) -> None:
    """Sent as it stands: a client would tidy the path up first."""
    bearer = served.bearer(("dev", served.owner))
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as raw:
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {bearer}\r\n"
        raw.sendall(f"{head}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: raw.recv(65_536), b""))
    status = int(answer.split(b" ", 2)[1])
    assert status in (400, 404, 405), answer[:300]


def at_once(count: int, work: Callable[[], int]) -> list[int]:
    start = threading.Barrier(count)

    def one(_: int) -> int:
        start.wait(60)
        return work()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))
