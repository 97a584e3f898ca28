"""What a center may answer over HTTP: whole, cut off, too much, too slow, or something else entirely."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
import zstandard

from capmart_core.errors import Busy, CapmartError, CenterUnavailable, NotFound
from capmart_core.log import Tile, pack_entries
from capmart_sdk.follow import Follower, HttpLogSource, NodeStore
from tests.support.processes import free_port
from tests.support.simulated_log import ORIGIN, SimulatedLog

LEAVES = [b"first", b"second entry", b"third"]
BUNDLE = pack_entries(LEAVES)


@contextmanager
def answering(*answers: bytes) -> Iterator[HttpLogSource]:
    """A server that gives these bytes, one answer per connection, the last one for good, and hangs up."""
    server = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve() -> None:
        turn = 0
        while not ended.is_set():
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.recv(65_536)
                connection.sendall(answers[min(turn, len(answers) - 1)])
            turn += 1

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        with HttpLogSource(f"http://127.0.0.1:{server.getsockname()[1]}/log") as source:
            yield source
    finally:
        ended.set()
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


def answer(body: bytes = b"", *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status}", "Connection: close", f"Content-Length: {size}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@pytest.mark.parametrize(("kept", "whole"), [(len(BUNDLE), 3), (len(BUNDLE) - 1, 2), (21, 2), (7, 1), (9, 1)])
@pytest.mark.parametrize("encoding", ["identity", "chunked"])
def test_s3_given_entries_cut_off_then_those_that_arrived_whole_are_kept(kept: int, whole: int, encoding: str) -> None:
    body = BUNDLE[:kept]
    if encoding == "identity":
        data = answer(body, length=len(BUNDLE))
    else:
        head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        data = head + b"%x\r\n%b\r\n" % (len(body), body) + (b"0\r\n\r\n" if kept == len(BUNDLE) else b"")
    with answering(data) as source:
        assert source.entries(0, 10) == LEAVES[:whole]


@pytest.mark.parametrize("body", [b"\x00", b"\x00\x05fir"])
def test_s3_given_not_even_one_whole_entry_then_the_center_is_unavailable(body: bytes) -> None:
    for data in (answer(body, length=50), answer(body)):
        with answering(data) as source, pytest.raises(CenterUnavailable):
            source.entries(0, 10)


def test_s3_given_compressed_entries_cut_off_then_whole_ones_are_kept_and_the_rest_is_fetched_again() -> None:
    leaves = [b"%05d" % number * 100 for number in range(2000)]
    compressor = zstandard.ZstdCompressor().compressobj()
    parts = []
    for place in range(0, 2000, 100):
        parts.append(compressor.compress(pack_entries(leaves[place : place + 100])))
        parts.append(compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))
    data = b"".join(parts)
    with answering(answer(data[: len(data) // 2], "Content-Encoding: zstd", length=len(data))) as source:
        found = source.entries(0, 2000)
    assert 0 < len(found) < 2000
    assert found == leaves[: len(found)]


def test_s3_given_a_center_that_hangs_up_in_every_answer_then_a_follower_still_gets_through(
    log: SimulatedLog, store: NodeStore
) -> None:
    """A proxy cuts each long answer in the middle: the verified prefix is kept, and asking again goes on from it."""
    log.publish_many(100, first=5)
    log.sign()
    with log.serving() as url, cutting_proxy(url, most=6000) as cut, HttpLogSource(cut) as source:
        state = Follower(ORIGIN, log.signer.public, source, store).sync()
    assert state.cursor == 107
    assert len(store.versions("acme/tool")) == 105
    assert len([path for path in log.requests if path.startswith("entries")]) > 5


@contextmanager
def cutting_proxy(url: str, *, most: int) -> Iterator[str]:
    """Passes requests on and no more than ``most`` bytes of each answer back."""
    target = httpx.URL(url)
    server = socket.create_server(("127.0.0.1", 0))

    def pass_on(connection: socket.socket) -> None:
        with connection, socket.create_connection((target.host, target.port or 80)) as upstream:
            request = connection.recv(65_536)
            without = [line for line in request.split(b"\r\n") if not line.lower().startswith(b"accept-encoding")]
            upstream.sendall(b"\r\n".join([without[0], b"Connection: close", *without[1:]]))
            left = most
            while left and (data := upstream.recv(left)):
                connection.sendall(data)
                left -= len(data)
            connection.shutdown(socket.SHUT_WR)

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=pass_on, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}{target.path}"
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


def test_given_a_compression_bomb_then_it_is_cut_at_the_bound() -> None:
    bomb = zstandard.ZstdCompressor().compress(bytes(1 << 30))
    assert len(bomb) < 100_000
    ask: list[Callable[[HttpLogSource], object]] = [
        lambda source: source.checkpoint(),
        lambda source: source.tile(Tile(0, 0)),
    ]
    for call in ask:
        with answering(answer(bomb, "Content-Encoding: zstd")) as source, pytest.raises(CenterUnavailable):
            call(source)
    with answering(answer(bomb, "Content-Encoding: zstd")) as source:
        assert len(source.entries(0, 500)) == 500  # empty entries; no more of the bomb is unpacked than these need


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        ("404 Not Found", (), NotFound),
        ("429 Too Many Requests", ("Retry-After: 7",), Busy),
        ("503 Service Unavailable", (), Busy),
        ("500 Internal Server Error", (), CenterUnavailable),
        ("302 Found", ("Location: http://169.254.169.254/",), CenterUnavailable),
        ("200 OK", ("Content-Encoding: br",), CenterUnavailable),
        ("200 OK", ("Content-Encoding: zstd",), CenterUnavailable),
    ],
)
def test_given_another_answer_then_it_becomes_an_error_that_says_what_to_do(
    status: str, headers: tuple[str, ...], expected: type[CapmartError]
) -> None:
    with answering(answer(b"surprise", *headers, status=status)) as source, pytest.raises(expected) as caught:
        source.entries(0, 1)
    if expected is Busy:
        assert caught.value.data["retry_after"] == (7 if status.startswith("429") else 5)


@pytest.mark.parametrize("data", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"])
def test_given_what_is_no_http_then_the_center_is_unavailable(data: bytes) -> None:
    with answering(data) as source, pytest.raises(CenterUnavailable):
        source.checkpoint()


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/log", "http://[", "ftp://127.0.0.1/log", "nonsense"])
def test_given_an_address_where_nobody_answers_then_the_center_is_unavailable(url: str) -> None:
    with HttpLogSource(url.format(port=free_port())) as source, pytest.raises(CenterUnavailable):
        source.checkpoint()


def test_given_an_unchanged_checkpoint_then_it_is_answered_without_a_body(
    log: SimulatedLog, source: HttpLogSource
) -> None:
    statuses: list[int] = []
    client = httpx.Client(event_hooks={"response": [lambda response: statuses.append(response.status_code)]})
    with client:
        asking = HttpLogSource(source.name, client)
        first = asking.checkpoint()
        assert asking.checkpoint() == first == log.note
        log.publish_many(1, first=5)
        log.sign()
        assert asking.checkpoint() == log.note != first
    assert statuses == [200, 304, 200]


def test_given_manifests_then_absent_ones_are_none(log: SimulatedLog, source: HttpLogSource) -> None:
    found = source.bodies(0, 4)
    assert found == [None, None, b"manifest of acme/tool@1.0.0", b"manifest of acme/tool@1.1.0"]
