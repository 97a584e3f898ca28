"""The trusted origins: a small file that a person may read, changed only by ``capmart trust``."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from capmart_core.errors import FingerprintMismatch, SettingsInvalid
from capmart_core.signing import PublicKey
from capmart_core.statements import Origin
from capmart_sdk.files import read_json, write_json

LOCK_TIMEOUT_S = 30.0


class TrustedOrigin(BaseModel):
    """A log that is believed.

    Attributes:
        key: its public key, ``ed25519:…``.
        url: address of the center that has this origin; None for one known only through a relay.
        added: when a person said so, UTC.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    origin: Origin
    key: str
    url: str | None = None
    added: str

    @property
    def public(self) -> PublicKey:
        """The parsed key."""
        return PublicKey.parse(self.key)


class TrustStore:
    """The trusted origins in one file. Safe to use from several processes.

    Args:
        path: the file; made when the first origin is added.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def origins(self) -> list[TrustedOrigin]:
        """Every trusted origin, by name."""
        return sorted(self._read().values(), key=lambda trusted: trusted.origin)

    def get(self, origin: str) -> TrustedOrigin | None:
        """The trusted origin called ``origin``, or None."""
        return self._read().get(origin)

    def add(self, trusted: TrustedOrigin) -> None:
        """Believe this origin from now on. An address already known is kept when ``trusted`` has none.

        Raises:
            FingerprintMismatch: it is trusted with another key; that one must be removed first, on purpose.
        """
        with self._locked():
            known = self._read()
            before = known.get(trusted.origin)
            if before is not None and before.key != trusted.key:
                raise FingerprintMismatch(
                    origin=trusted.origin, actual=trusted.public.fingerprint, expected=before.public.fingerprint
                )
            if before is not None:
                trusted = before.model_copy(update={"url": trusted.url or before.url})
            self._write({**known, trusted.origin: trusted})

    def remove(self, name: str) -> list[str]:
        """Stop believing an origin, or whatever has the address ``name``. Returns the origins removed."""
        with self._locked():
            known = self._read()
            gone = [origin for origin, trusted in known.items() if name.rstrip("/") in {origin, trusted.url}]
            if gone:
                self._write({origin: trusted for origin, trusted in known.items() if origin not in gone})
        return gone

    def _locked(self) -> FileLock:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return FileLock(self._path.with_suffix(".lock"), timeout=LOCK_TIMEOUT_S)

    def _read(self) -> dict[str, TrustedOrigin]:
        value = read_json(self._path) or {"origins": []}
        try:
            rows = TypeAdapter(tuple[TrustedOrigin, ...]).validate_python(value["origins"])
        except (ValidationError, KeyError, TypeError) as error:
            raise SettingsInvalid(name=str(self._path), reason="it is not a file of trusted origins") from error
        return {row.origin: row for row in rows}

    def _write(self, known: dict[str, TrustedOrigin]) -> None:
        rows = [known[origin].model_dump(exclude_none=True) for origin in sorted(known)]
        write_json(self._path, {"v": 1, "origins": rows}, mode=0o600)
