import json
import socket
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capmart_sandbox.guest import framing
from capmart_sandbox.wire import GuestDeviated, GuestGone, Wire

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
HEADERS = st.dictionaries(st.text(max_size=20), JSON, max_size=5)
KINDS = st.sampled_from(sorted(framing.NAMES))


def soon() -> float:
    return time.monotonic() + 5


def pair(result_max: int = 1 << 20) -> tuple[Wire, socket.socket]:
    host, guest = socket.socketpair()
    host.settimeout(0)
    return Wire(host, result_max=result_max), guest


@given(kind=KINDS, header=HEADERS, length=st.integers(0, framing.MAX_BODY))
def test_given_any_frame_when_packed_then_its_parts_come_back(kind: int, header: dict[str, Any], length: int) -> None:
    data = framing.pack(kind, header, length)
    kind_, head, body = framing.unpack_prefix(data)
    assert (kind_, body) == (kind, length)
    assert framing.read_header(data[framing.PREFIX.size : framing.PREFIX.size + head]) == header
    assert len(data) == framing.PREFIX.size + head


@given(header=HEADERS, body=st.binary(max_size=2000), cuts=st.lists(st.integers(1, 50), min_size=1, max_size=20))
def test_given_a_frame_in_pieces_when_received_then_it_is_whole(
    header: dict[str, Any], body: bytes, cuts: list[int]
) -> None:
    wire, guest = pair()
    data = framing.pack(framing.RESULT, header, len(body)) + body
    for cut in cuts:
        guest.sendall(data[:cut])
        data = data[cut:]
    guest.sendall(data)
    frame = wire.receive(deadline=soon())
    assert (frame.kind, frame.header, frame.body) == (framing.RESULT, header, body)
    wire.close()
    guest.close()


@given(st.binary(min_size=framing.PREFIX.size, max_size=framing.PREFIX.size))
def test_given_any_prefix_when_read_then_it_is_within_bounds_or_refused(data: bytes) -> None:
    try:
        kind, head, body = framing.unpack_prefix(data)
    except framing.FrameError:
        return
    assert kind in framing.NAMES
    assert head <= framing.MAX_HEADER
    assert body <= framing.MAX_BODY


@pytest.mark.parametrize("header", [b"", b"[]", b"7", b"{", b"\xff", b"[" * 60_000, b'{"a":' * 10_000])
def test_given_a_header_that_is_no_object_when_read_then_it_is_refused(header: bytes) -> None:
    with pytest.raises(framing.FrameError):
        framing.read_header(header)


def test_given_a_header_over_its_bound_when_packed_then_it_is_refused() -> None:
    with pytest.raises(framing.FrameError):
        framing.pack(framing.CALL, {"text": "x" * framing.MAX_HEADER})


@pytest.mark.parametrize(
    "data",
    [
        framing.PREFIX.pack(99, 2, 0) + b"{}",
        framing.PREFIX.pack(framing.RESULT, framing.MAX_HEADER + 1, 0),
        framing.PREFIX.pack(framing.RESULT, 2, 101) + b"{}",
        framing.PREFIX.pack(framing.LOG, 2, 1 << 20) + b"{}",
        framing.PREFIX.pack(framing.DONE, 2, 0) + b"[]",
    ],
    ids=["unknown kind", "long header", "long result", "long log", "no object"],
)
def test_given_a_guest_that_deviates_when_received_then_it_is_told_before_its_body_is_kept(data: bytes) -> None:
    wire, guest = pair(result_max=100)
    guest.sendall(data)
    with pytest.raises(GuestDeviated):
        wire.receive(deadline=soon())
    wire.close()
    guest.close()


def test_given_a_guest_that_trickles_when_the_deadline_comes_then_the_host_gives_up() -> None:
    wire, guest = pair()
    guest.sendall(framing.PREFIX.pack(framing.RESULT, 2, 100) + b"{}")
    guest.sendall(b"x")
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        wire.receive(deadline=started + 0.1)
    assert 0.09 <= time.monotonic() - started < 1
    wire.close()
    guest.close()


def test_given_a_guest_that_ends_or_never_reads_when_spoken_to_then_both_are_told_apart() -> None:
    wire, guest = pair()
    with pytest.raises(TimeoutError):
        wire.send(framing.CALL, {}, bytes(8 << 20), deadline=time.monotonic() + 0.1)
    guest.close()
    with pytest.raises(GuestGone):
        wire.receive(deadline=soon())
    wire.close()


def test_given_a_descriptor_passed_by_the_guest_when_received_then_the_host_gets_none() -> None:
    wire, guest = pair()
    data = framing.pack(framing.HELLO, {"v": 1})
    socket.send_fds(guest, [data], [guest.fileno()])
    assert json.dumps(wire.receive(deadline=soon()).header) == '{"v": 1}'
    wire.close()
    guest.close()
