"""Keys. A key's text names its algorithm, so that others (SM2) can stand beside Ed25519 later."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from capmart_core.errors import InvalidKey, NotFound, SignatureInvalid, StateConflict

ED25519 = "ed25519"
_ED25519_BYTES = 32
_MAX_TEXT = 500
_MAX_FILE_BYTES = 16_384


@dataclass(frozen=True)
class PublicKey:
    """A public key, spelled ``ed25519:`` and the standard base64 of its raw bytes (RFC 8032, 32 bytes).

    Attributes:
        algorithm: ``ed25519``.
        raw: the key in its algorithm's own encoding.
    """

    algorithm: str
    raw: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a key's text.

        Raises:
            InvalidKey: it is spelled otherwise, names another algorithm, or has another length.
        """
        algorithm, colon, encoded = text.partition(":")
        if len(text) > _MAX_TEXT or not colon:
            raise InvalidKey(what=text[:80], reason="it is not ALGORITHM:BASE64")
        if algorithm != ED25519:
            raise InvalidKey(what=text[:80], reason="the algorithm is not ed25519")
        try:
            raw = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidKey(what=text[:80], reason="the part after the colon is not base64") from error
        key = cls(algorithm, raw)
        if len(raw) != _ED25519_BYTES or str(key) != text:
            raise InvalidKey(what=text[:80], reason=f"an ed25519 key has {_ED25519_BYTES} bytes")
        return key

    def __str__(self) -> str:
        return f"{self.algorithm}:{base64.b64encode(self.raw).decode('ascii')}"

    @cached_property
    def keyid(self) -> str:
        """SHA-256 of the key's text, 64 hexadecimal digits; how envelopes and logs name the key."""
        return hashlib.sha256(str(self).encode("ascii")).hexdigest()

    @property
    def fingerprint(self) -> str:
        """The key id as a person compares it: ``SHA256:`` and unpadded base64, as OpenSSH writes it."""
        return "SHA256:" + base64.b64encode(bytes.fromhex(self.keyid)).decode("ascii").rstrip("=")

    def verify(self, signature: bytes, message: bytes, *, what: str) -> None:
        """Check a signature.

        Args:
            signature: as the algorithm encodes it; 64 bytes for Ed25519.
            message: what it covers.
            what: names the signed thing in the error.

        Raises:
            SignatureInvalid: this key did not make it over these bytes.
        """
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except (InvalidSignature, ValueError) as error:
            reason = f"it was not made by key {self.fingerprint} over these bytes"
            raise SignatureInvalid(what=what, reason=reason) from error


class Signer(ABC):
    """Something that can sign: a key file, later a card or a service."""

    @property
    @abstractmethod
    def public(self) -> PublicKey:
        """The key that verifies what this signs."""

    @abstractmethod
    def sign(self, message: bytes) -> bytes:
        """The signature over ``message``."""


class Ed25519Signer(Signer):
    """An Ed25519 private key held in memory (RFC 8032)."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self._public = PublicKey(ED25519, private.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"Ed25519Signer({self._public.fingerprint})"

    @classmethod
    def generate(cls) -> Self:
        """A new key from the system's random source."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, path: Path, passphrase: str | None = None) -> Self:
        """Read a key file.

        Raises:
            NotFound: there is no such file.
            InvalidKey: it is not an Ed25519 key in PKCS#8 PEM, or the passphrase is wrong or missing.
        """
        try:
            with path.open("rb") as file:
                data = file.read(_MAX_FILE_BYTES + 1)
        except FileNotFoundError as error:
            raise NotFound(what=f"key file {path}") from error
        except OSError as error:
            raise InvalidKey(what=str(path), reason=error.strerror or "it cannot be read") from error
        try:
            private = load_pem_private_key(data, passphrase.encode("utf-8") if passphrase is not None else None)
        except TypeError as error:
            reason = "it is protected by a passphrase" if passphrase is None else "it has no passphrase"
            raise InvalidKey(what=str(path), reason=reason) from error
        except (ValueError, UnsupportedAlgorithm) as error:
            raise InvalidKey(what=str(path), reason="it is not PKCS#8 PEM, or the passphrase is wrong") from error
        if not isinstance(private, Ed25519PrivateKey):
            raise InvalidKey(what=str(path), reason="it is not an Ed25519 key")
        return cls(private)

    def save(self, path: Path, passphrase: str | None = None) -> None:
        """Write the key as PKCS#8 PEM, readable by its owner alone (mode 0600), durably.

        Raises:
            StateConflict: there is a file already; a key is never written over.
        """
        protection: KeySerializationEncryption = NoEncryption()
        if passphrase is not None:
            protection = BestAvailableEncryption(passphrase.encode("utf-8"))
        data = self._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError as error:
            raise StateConflict(
                what=str(path), state="there already", action="saving a key", needed="absent"
            ) from error
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    @property
    def public(self) -> PublicKey:
        """The key that verifies what this signs."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """The signature over ``message``, 64 bytes."""
        return self._private.sign(message)
