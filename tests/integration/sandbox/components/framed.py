"""What an image that speaks the framed protocol on its standard streams does, in plain Python without the guest."""

from __future__ import annotations

import json
import struct
import sys
from typing import Any

PREFIX = struct.Struct(">BII")
READY, CALL, RESULT, DONE = 3, 5, 6, 8


def send(kind: int, header: dict[str, Any], body: bytes = b"") -> None:
    head = json.dumps(header).encode()
    sys.stdout.buffer.write(PREFIX.pack(kind, len(head), len(body)) + head + body)
    sys.stdout.buffer.flush()


def main() -> None:
    calls = 0
    send(READY, {"v": 1, "actions": ["double", "die", "stray"]})
    while prefix := sys.stdin.buffer.read(PREFIX.size):
        kind, header_length, body_length = PREFIX.unpack(prefix)
        header = json.loads(sys.stdin.buffer.read(header_length))
        value = json.loads(sys.stdin.buffer.read(body_length) or b"null")
        if kind != CALL:
            continue
        calls += 1
        sys.stderr.write("about to answer\n")
        if header["action"] == "die":
            sys.exit(3)
        if header["action"] == "stray":
            send(DONE, {"id": "another"})
        send(RESULT, {"id": header["id"], "ok": True}, json.dumps({"twice": value["n"] * 2, "calls": calls}).encode())
        send(DONE, {"id": header["id"], "clean": True})


main()
