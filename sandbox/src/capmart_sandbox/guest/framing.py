"""The protocol between host and guest: frames over one stream.

A frame is ``>BII`` (kind, length of the header, length of the body), a JSON header and a body. The guest connects and
says READY; the host answers INJECT, the guest READY or FAILED; then each CALL is answered by LOG, RESULT and DONE, in
that order. One call is outstanding at a time; any deviation ends the instance.
"""

from __future__ import annotations

import json
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:  # the guest starts faster without typing
    import socket
    from typing import Any

READY, INJECT, FAILED, CALL, LOG, RESULT, DONE = range(1, 8)

MAX_HEADER = 65_536
MAX_BODY = 64 * 1024 * 1024 + 1024
_PREFIX = struct.Struct(">BII")


class ProtocolError(Exception):
    """The other side is gone, or said what no frame may say."""


def send_frame(stream: socket.socket, kind: int, header: dict[str, Any] | None = None, body: bytes = b"") -> None:
    """Write one frame to a socket, in one piece where it is small."""
    head = json.dumps(header or {}, ensure_ascii=False, separators=(",", ":")).encode()
    prefix = _PREFIX.pack(kind, len(head), len(body))
    if len(body) < MAX_HEADER:
        stream.sendall(prefix + head + body)
    else:
        stream.sendall(prefix + head)
        stream.sendall(body)


def receive_frame(stream: socket.socket) -> tuple[int, dict[str, Any], bytes]:
    """Read one frame from a socket.

    Raises:
        ProtocolError: the stream ended, or a length is over its limit.
    """
    kind, head_size, body_size = _PREFIX.unpack(_exactly(stream, _PREFIX.size))
    if head_size > MAX_HEADER or body_size > MAX_BODY:
        raise ProtocolError("a frame is over its size limit")
    try:
        header = json.loads(_exactly(stream, head_size))
    except (ValueError, RecursionError) as error:
        raise ProtocolError("a header is not JSON") from error
    if not isinstance(header, dict):
        raise ProtocolError("a header is not an object")
    return kind, header, _exactly(stream, body_size)


def _exactly(stream: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        # recv, never recvmsg: descriptors that a guest tries to pass are dropped by the kernel
        part = stream.recv(min(size - len(parts), 1 << 20))
        if not part:
            raise ProtocolError("the other side is gone")
        parts += part
    return bytes(parts)
