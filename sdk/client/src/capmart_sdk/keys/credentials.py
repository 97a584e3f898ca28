"""Tokens by center, in a file that only its owner may read."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from capmart_core.errors import SettingsInvalid
from capmart_sdk.client.http import check_url
from capmart_sdk.files import read_json, write_json

TOKEN_VARIABLE = "CAPMART_TOKEN"  # noqa: S105  # the name of a variable


class Credential(BaseModel):
    """A token of one center, and the account it belongs to where that is known."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    token: str
    account: str | None = None

    def __repr__(self) -> str:
        return f"Credential(account={self.account!r}, token=…)"


class Credentials:
    """The tokens kept in one file; ``CAPMART_TOKEN`` goes before all of them.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, url: str) -> Credential | None:
        """The token for the center at ``url``, or None."""
        from_environment = os.environ.get(TOKEN_VARIABLE)
        if from_environment:
            return Credential(token=from_environment.strip())
        return self._read().get(check_url(url))

    def urls(self) -> list[str]:
        """The centers that have a token here."""
        return sorted(self._read())

    def set(self, url: str, credential: Credential) -> None:
        """Keep a token."""
        self._write({**self._read(), check_url(url): credential})

    def remove(self, url: str) -> bool:
        """Forget a token; returns whether there was one."""
        known = self._read()
        found = known.pop(check_url(url), None) is not None
        if found:
            self._write(known)
        return found

    def _read(self) -> dict[str, Credential]:
        value = read_json(self._path)
        try:
            return TypeAdapter(dict[str, Credential]).validate_python(value or {})
        except ValidationError as error:
            raise SettingsInvalid(name=str(self._path), reason="it is not a file of tokens") from error

    def _write(self, known: dict[str, Credential]) -> None:
        write_json(self._path, {url: known[url].model_dump() for url in known}, mode=0o600)
