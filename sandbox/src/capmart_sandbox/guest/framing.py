"""Frames between host and guest: ``>BII`` (kind, header length, body length), a JSON header, a body of bytes.

Both sides use this module; ``sandbox/README.md`` says what each kind carries. A frame that breaks a bound or a rule
ends the box: there is no resynchronising with a guest that deviates.
"""

from __future__ import annotations

import struct
from json import dumps, loads  # bound now: a component may put its own in the module
from typing import Any

VERSION = 1

HELLO = 1
INJECT = 2
READY = 3
FAILED = 4
CALL = 5
RESULT = 6
LOG = 7
DONE = 8
CANCEL = 9
EXIT = 10

NAMES = {
    HELLO: "HELLO",
    INJECT: "INJECT",
    READY: "READY",
    FAILED: "FAILED",
    CALL: "CALL",
    RESULT: "RESULT",
    LOG: "LOG",
    DONE: "DONE",
    CANCEL: "CANCEL",
    EXIT: "EXIT",
}

PREFIX = struct.Struct(">BII")
MAX_HEADER = 64 * 1024
MAX_BODY = 64 * 1024 * 1024


class FrameError(Exception):
    """The other side sent something that is not a frame, or one that is not allowed here."""


class EndOfStream(Exception):  # noqa: N818 - an event, not a mistake
    """The other side is gone."""


def pack(kind: int, header: dict[str, Any], body_length: int = 0) -> bytes:
    """The bytes of a frame up to its body.

    Raises:
        FrameError: the header is over its bound.
    """
    text = dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
    if len(text) > MAX_HEADER:
        raise FrameError(f"header of {len(text)} bytes")
    return PREFIX.pack(kind, len(text), body_length) + text


def unpack_prefix(data: bytes | bytearray | memoryview, *, max_body: int = MAX_BODY) -> tuple[int, int, int]:
    """Kind, header length and body length of the frame that begins with ``data``.

    Raises:
        FrameError: the kind is unknown or a length is over its bound.
    """
    kind, header_length, body_length = PREFIX.unpack_from(data)
    if kind not in NAMES:
        raise FrameError(f"unknown kind {kind}")
    if header_length > MAX_HEADER or body_length > max_body:
        raise FrameError(f"{NAMES[kind]} of {header_length} and {body_length} bytes")
    return kind, header_length, body_length


def read_header(data: bytes | bytearray) -> dict[str, Any]:
    """The header of a frame.

    Raises:
        FrameError: it is not a JSON object.
    """
    try:
        header = loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise FrameError(f"header is not JSON: {error}") from None
    if not isinstance(header, dict):
        raise FrameError("header is not a JSON object")
    return header
