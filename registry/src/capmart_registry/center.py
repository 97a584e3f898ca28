"""A center's parts in one place: settings, database, blobs, the log's key. Built once per process."""

from __future__ import annotations

import secrets
from functools import cached_property
from pathlib import Path

from capmart_core.drivers import load_driver
from capmart_core.errors import SettingsInvalid
from capmart_core.ports.blobs import BlobStore
from capmart_core.signing import Ed25519Signer, Signer
from capmart_registry.db import Database
from capmart_registry.search.reader import SearchReader
from capmart_registry.settings import CenterSettings


class Center:
    """What services and routes need; nothing in it is per request."""

    def __init__(self, settings: CenterSettings) -> None:
        self.settings = settings
        self.db = Database(settings.database)

    @property
    def origin(self) -> str:
        """The center's stable name."""
        return self.settings.origin

    @cached_property
    def blobs(self) -> BlobStore:
        """The content-addressed store behind every repository.

        Raises:
            DriverNotFound: the driver of the settings is not installed.
        """
        arguments = {"root": self.settings.blobs_path} if self.settings.blobs == "folder" else {}
        driver: BlobStore = load_driver("capmart.blobs", self.settings.blobs, **arguments)
        return driver

    @cached_property
    def search(self) -> SearchReader:
        """The search index, for reading."""
        return SearchReader(self.settings.search_path)

    @cached_property
    def signer(self) -> Signer:
        """Signs checkpoints and the center's own statements.

        Raises:
            SettingsInvalid: the key file is missing.
        """
        path = self.settings.log_key_path
        if not path.exists():
            raise SettingsInvalid(name="data", reason=f"the log's key {path} is missing")
        return Ed25519Signer.load(path)

    @cached_property
    def secret(self) -> bytes:
        """Random bytes, the same in every process of this center."""
        return read_or_make_secret(self.settings.secret_path)

    def close(self) -> None:
        """Give back connections."""
        self.db.dispose()


def read_or_make_secret(path: Path) -> bytes:
    """The bytes in ``path``, made on first use; two processes starting at once agree on one of the two."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        draft.touch(mode=0o600)
        draft.write_bytes(secrets.token_bytes(32))
        try:
            path.hardlink_to(draft)  # fails when the other process was first
        except FileExistsError:
            pass
        finally:
            draft.unlink()
        return path.read_bytes()
