"""Signed notes: text with signature lines (C2SP signed-note), and the keys that verify them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from capmart_core.errors import InvalidKey, SignatureInvalid
from capmart_core.signing.keys import ED25519, PublicKey

ED25519_NOTE = 0x01
ED25519_COSIGNATURE = 0x04
MAX_NOTE_BYTES = 65_536
MAX_SIGNATURES = 64

_HASH_BYTES = 4
_SIGNATURE_LINE = re.compile(r"— (?P<name>[^\s+]+) (?P<signature>[A-Za-z0-9+/=]+)")
_NAME = re.compile(r"[^\s+]{1,255}")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


@dataclass(frozen=True)
class LogKey:
    """A log's name and public key: what somebody must know to trust it.

    Attributes:
        name: the key's name, which is the log's origin.
        public: the key itself.
    """

    name: str
    public: PublicKey

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a verifier key, ``NAME+HASH+BASE64`` (C2SP signed-note, "Verifier keys").

        Raises:
            InvalidKey: it is spelled otherwise, its hash does not belong to it, or it is no Ed25519 key.
        """
        parts = text.split("+", 2)
        if len(text) > 1000 or len(parts) != 3 or _NAME.fullmatch(parts[0]) is None:
            raise InvalidKey(what=text[:80], reason="it is not NAME+HASH+BASE64")
        try:
            encoded = base64.b64decode(parts[2], validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidKey(what=text[:80], reason="its last part is not base64") from error
        if len(encoded) != 33 or encoded[0] not in (ED25519_NOTE, ED25519_COSIGNATURE):
            raise InvalidKey(what=text[:80], reason="it is not an Ed25519 key")
        key = cls(parts[0], PublicKey(ED25519, encoded[1:]))
        if parts[1] != key.hash(encoded[0]).hex():
            raise InvalidKey(what=text[:80], reason="its hash does not belong to the key")
        return key

    def __str__(self) -> str:
        encoded = base64.b64encode(bytes((ED25519_NOTE,)) + self.public.raw).decode("ascii")
        return f"{self.name}+{self.hash(ED25519_NOTE).hex()}+{encoded}"

    def hash(self, kind: int) -> bytes:
        """The four bytes that name this key in signature lines of one type (C2SP signed-note, "Signatures")."""
        material = self.name.encode("utf-8") + b"\n" + bytes((kind,)) + self.public.raw
        return hashlib.sha256(material).digest()[:_HASH_BYTES]


@dataclass(frozen=True)
class NoteSignature:
    """One signature line: the signer's name, the hash of its key, and the signature."""

    name: str
    hash: bytes
    signature: bytes

    def __str__(self) -> str:
        return f"— {self.name} {base64.b64encode(self.hash + self.signature).decode('ascii')}"


@dataclass(frozen=True)
class Note:
    """Text, which ends in a newline, and its signatures; nothing is verified."""

    text: str
    signatures: tuple[NoteSignature, ...]

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a note.

        Raises:
            SignatureInvalid: it is not a note, or one with no signature line.
        """
        if len(data) > MAX_NOTE_BYTES:
            raise _malformed(f"it is larger than {MAX_NOTE_BYTES} bytes")
        try:
            whole = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise _malformed("it is not UTF-8") from error
        if _CONTROL.search(whole):
            raise _malformed("it has control characters")
        body, blank, lines = whole.rpartition("\n\n")
        if not blank or not lines.endswith("\n"):
            raise _malformed("it has no signatures")
        found = lines[:-1].split("\n")
        if len(found) > MAX_SIGNATURES:
            raise _malformed(f"it has more than {MAX_SIGNATURES} signatures")
        return cls(body + "\n", tuple(_signature(line) for line in found))

    def __bytes__(self) -> bytes:
        return "\n".join((self.text, *map(str, self.signatures), "")).encode()

    def by(self, key: LogKey, kind: int) -> Iterator[bytes]:
        """The signatures that claim to be of one type by ``key``."""
        wanted = key.hash(kind)
        for line in self.signatures:
            if line.name == key.name and line.hash == wanted:
                yield line.signature


def verify_note(note: Note, key: LogKey) -> str:
    """The note's text, once the key's plain Ed25519 signature (type 0x01) is checked.

    Signatures by other keys are ignored, as the specification asks; a wrong one by this key refuses the note.

    Raises:
        SignatureInvalid: there is none by this key, or a wrong one.
    """
    signatures = list(note.by(key, ED25519_NOTE))
    if not signatures:
        raise SignatureInvalid(
            what=f"note of {key.name}", reason=f"it has no signature by key {key.public.fingerprint}"
        )
    for signature in signatures:
        key.public.verify(signature, note.text.encode("utf-8"), what=f"note of {key.name}")
    return note.text


def check_note_text(text: str) -> str:
    """``text`` if a note can carry it.

    Raises:
        ValueError: it does not end in a newline, or has control characters.
    """
    if not text.endswith("\n") or _CONTROL.search(text):
        raise ValueError("a note's text ends in a newline and has no control characters")
    return text


def build_note(text: str, signatures: Sequence[NoteSignature]) -> bytes:
    """The bytes of a note."""
    return bytes(Note(check_note_text(text), tuple(signatures)))


def _signature(line: str) -> NoteSignature:
    match = _SIGNATURE_LINE.fullmatch(line)
    if match is None:
        raise _malformed("a signature line is not well formed")
    try:
        value = base64.b64decode(match["signature"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise _malformed("a signature is not base64") from error
    if len(value) <= _HASH_BYTES:
        raise _malformed("a signature is too short")
    return NoteSignature(match["name"], value[:_HASH_BYTES], value[_HASH_BYTES:])


def _malformed(reason: str) -> SignatureInvalid:
    return SignatureInvalid(what="note", reason=reason)
