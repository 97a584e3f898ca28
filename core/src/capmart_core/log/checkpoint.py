"""Checkpoints: a log's signed size and root (C2SP tlog-checkpoint), co-signed with a date (C2SP tlog-cosignature)."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from capmart_core.errors import SignatureInvalid
from capmart_core.log.merkle import HASH_BYTES
from capmart_core.log.notes import (
    ED25519_COSIGNATURE,
    ED25519_NOTE,
    LogKey,
    Note,
    NoteSignature,
    build_note,
    verify_note,
)
from capmart_core.signing.keys import Signer

MAX_SIZE = 2**63 - 1

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_TIMESTAMP_BYTES = 8
_MAX_TIMESTAMP = 253_402_300_799  # the end of year 9999, the last that datetime knows


@dataclass(frozen=True)
class Checkpoint:
    """A log's state.

    Attributes:
        origin: the log's name.
        size: entries.
        root: Merkle Tree Hash over them.
    """

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The note's text: origin, size, root, a line each."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode('ascii')}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a checkpoint's text; extension lines are allowed and ignored.

        Raises:
            SignatureInvalid: it is not a checkpoint.
        """
        lines = text.removesuffix("\n").split("\n")
        if len(lines) < 3 or not all(lines):
            raise _malformed("it has fewer than three lines, or an empty one")
        if _SIZE.fullmatch(lines[1]) is None or int(lines[1]) > MAX_SIZE:
            raise _malformed("its size is no decimal number")
        try:
            root = base64.b64decode(lines[2], validate=True)
        except (binascii.Error, ValueError) as error:
            raise _malformed("its root is not base64") from error
        if len(root) != HASH_BYTES or base64.b64encode(root).decode("ascii") != lines[2]:
            raise _malformed(f"its root does not have {HASH_BYTES} bytes")
        return cls(lines[0], int(lines[1]), root)


def sign_checkpoint(checkpoint: Checkpoint, signer: Signer, at: datetime) -> bytes:
    """A signed checkpoint: the log's signature and, by the same key, a co-signature dated ``at``.

    The two messages can never be confused: a co-signed message has a ``time`` line where a checkpoint has its size.
    """
    key = LogKey(checkpoint.origin, signer.public)
    text = checkpoint.text
    timestamp = int(at.timestamp())
    dated = timestamp.to_bytes(_TIMESTAMP_BYTES, "big") + signer.sign(_dated_message(text, timestamp))
    return build_note(
        text,
        (
            NoteSignature(key.name, key.hash(ED25519_NOTE), signer.sign(text.encode("utf-8"))),
            NoteSignature(key.name, key.hash(ED25519_COSIGNATURE), dated),
        ),
    )


def open_checkpoint(data: bytes, key: LogKey | str) -> tuple[Checkpoint, datetime]:
    """Verify a signed checkpoint.

    Args:
        data: the note.
        key: the log's key, or its text ``NAME+HASH+BASE64``; its name is the origin expected.

    Returns:
        The checkpoint, and when the log last said that it is current (the latest co-signature), UTC.

    Raises:
        SignatureInvalid: not a checkpoint of that origin, or a signature missing or wrong.
        InvalidKey: the key's text is not one.
    """
    key = LogKey.parse(key) if isinstance(key, str) else key
    note = Note.parse(data)
    checkpoint = Checkpoint.parse(verify_note(note, key))
    if checkpoint.origin != key.name:
        raise _malformed(f"it is of {checkpoint.origin[:100]!r}, not of {key.name!r}")
    times = [_verify_dated(note.text, value, key) for value in note.by(key, ED25519_COSIGNATURE)]
    if not times:
        raise _malformed("it has no dated co-signature by the log")
    return checkpoint, datetime.fromtimestamp(max(times), UTC)


def _verify_dated(text: str, value: bytes, key: LogKey) -> int:
    timestamp = int.from_bytes(value[:_TIMESTAMP_BYTES], "big")
    if len(value) <= _TIMESTAMP_BYTES or timestamp > _MAX_TIMESTAMP:
        raise _malformed("its co-signature is too short, or dated beyond year 9999")
    key.public.verify(value[_TIMESTAMP_BYTES:], _dated_message(text, timestamp), what=f"checkpoint of {key.name}")
    return timestamp


def _dated_message(text: str, timestamp: int) -> bytes:
    return f"cosignature/v1\ntime {timestamp}\n{text}".encode()


def _malformed(reason: str) -> SignatureInvalid:
    return SignatureInvalid(what="checkpoint", reason=reason)
