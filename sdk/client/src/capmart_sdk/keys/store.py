"""Publisher keys by name: one PEM file each, readable by its owner alone."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from capmart_core.errors import InvalidIdentifier, KeyNotNamed, NotFound, StateConflict
from capmart_core.signing import Ed25519Signer, PublicKey

PASSPHRASE_VARIABLE = "CAPMART_KEY_PASSPHRASE"  # noqa: S105  # the name of a variable
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class StoredKey:
    """A key of this machine, as it may be shown to anybody.

    Attributes:
        public: the public half; what a center registers.
        locked: whether a passphrase protects the private half.
    """

    name: str
    public: PublicKey
    locked: bool


class KeyStore:
    """The private keys in one folder, mode 0600 each. The public halves lie beside them.

    Args:
        folder: made, closed to others, when the first key is.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def new(self, name: str, *, passphrase: str | None = None) -> StoredKey:
        """Make a key.

        Raises:
            StateConflict: the name is taken; a private key is never overwritten.
        """
        path = self.path(name)
        if path.exists():
            raise StateConflict(what=f"key {name}", state="there", action="key new", needed="absent")
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        signer = Ed25519Signer.generate()
        # The public half first: a private key without it would be a key that cannot be listed.
        path.with_suffix(".pub").write_text(f"{signer.public}\n", encoding="ascii")
        signer.save(path, passphrase=passphrase)
        return StoredKey(name, signer.public, passphrase is not None)

    def names(self) -> list[str]:
        """Every key's name, sorted."""
        return sorted(path.stem for path in self._folder.glob("*.pem"))

    def show(self, name: str) -> StoredKey:
        """A key's public half; made from the private one where only that was brought here.

        Raises:
            NotFound: no such key.
            InvalidKey: the public half is missing, and a passphrase is needed to make it.
        """
        path = self._existing(name)
        locked = b"ENCRYPTED" in path.read_bytes()[:64]
        half = path.with_suffix(".pub")
        if not half.is_file():
            passphrase = os.environ.get(PASSPHRASE_VARIABLE) if locked else None
            half.write_text(f"{Ed25519Signer.load(path, passphrase=passphrase).public}\n", encoding="ascii")
        return StoredKey(name, PublicKey.parse(half.read_text(encoding="ascii").strip()), locked)

    def signer(self, name: str, *, passphrase: str | None = None) -> Ed25519Signer:
        """A key, ready to sign.

        Args:
            name: of the key.
            passphrase: that of ``CAPMART_KEY_PASSPHRASE`` when None.

        Raises:
            NotFound: no such key.
        """
        given = passphrase if passphrase is not None else os.environ.get(PASSPHRASE_VARIABLE)
        return Ed25519Signer.load(self._existing(name), passphrase=given if self.show(name).locked else None)

    def only(self) -> str:
        """The name of the only key.

        Raises:
            KeyNotNamed: there is none, or more than one.
        """
        names = self.names()
        if len(names) == 1:
            return names[0]
        raise KeyNotNamed(known=", ".join(names) or "-")

    def path(self, name: str) -> Path:
        """The file of a key's private half.

        Raises:
            InvalidIdentifier: the name cannot be a key's.
        """
        if _NAME.fullmatch(name) is None:
            raise InvalidIdentifier(
                what="key name",
                what_zh="密钥名称",
                value=name[:200],
                expected="letters, digits, . _ -",
                expected_zh="字母、数字及 . _ -",
                example="acme",
            )
        return self._folder / f"{name}.pem"

    def _existing(self, name: str) -> Path:
        path = self.path(name)
        if not path.is_file():
            known = ", ".join(self.names()) or "none yet; make one with: capmart key new NAME"
            raise NotFound(what=f"key {name} ({known})")
        return path
