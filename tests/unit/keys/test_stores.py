"""Keys, tokens and trust on this machine: who may read them, and that none is ever overwritten by accident."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from capmart_core.errors import FingerprintMismatch, InvalidIdentifier, InvalidKey, KeyNotNamed, NotFound, StateConflict
from capmart_core.signing import Ed25519Signer
from capmart_sdk.files import read_json, write_json
from capmart_sdk.keys import Credential, Credentials, KeyStore
from capmart_sdk.trust import TrustedOrigin, TrustStore


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_given_a_new_key_then_only_its_owner_reads_it_and_it_signs_for_its_public_half(tmp_path: Path) -> None:
    store = KeyStore(tmp_path / "keys")
    made = store.new("acme")
    assert mode(store.path("acme")) == 0o600
    assert store.signer("acme").public == made.public == store.show("acme").public
    assert store.only() == "acme"


def test_given_a_key_of_that_name_then_it_is_never_overwritten(tmp_path: Path) -> None:
    store = KeyStore(tmp_path / "keys")
    before = store.new("acme")
    with pytest.raises(StateConflict):
        store.new("acme")
    assert store.show("acme") == before


def test_given_a_passphrase_then_the_key_needs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = KeyStore(tmp_path / "keys")
    made = store.new("acme", passphrase="secret")
    assert store.show("acme").locked
    with pytest.raises(InvalidKey):
        store.signer("acme")
    monkeypatch.setenv("CAPMART_KEY_PASSPHRASE", "secret")
    assert store.signer("acme").public == made.public


def test_given_only_the_private_half_was_brought_here_then_the_public_one_is_made_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = KeyStore(tmp_path / "keys")
    made = {name: store.new(name, passphrase=secret) for name, secret in (("open", None), ("locked", "secret"))}
    for name in made:
        store.path(name).with_suffix(".pub").unlink()
    assert store.show("open") == made["open"]
    with pytest.raises(InvalidKey):
        store.show("locked")
    monkeypatch.setenv("CAPMART_KEY_PASSPHRASE", "secret")
    assert store.show("locked") == made["locked"]


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x" * 65, "名"])
def test_given_a_name_that_is_no_file_name_then_it_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidIdentifier):
        KeyStore(tmp_path).new(name)


def test_given_no_key_or_two_then_it_is_not_clear_which_one(tmp_path: Path) -> None:
    store = KeyStore(tmp_path / "keys")
    with pytest.raises(KeyNotNamed, match="known here: -"):
        store.only()
    store.new("a")
    store.new("b")
    with pytest.raises(KeyNotNamed, match="a, b"):
        store.only()
    with pytest.raises(NotFound):
        store.signer("c")


def test_given_a_token_then_only_its_owner_reads_it_and_nothing_prints_it(tmp_path: Path) -> None:
    path = tmp_path / "home" / "credentials.json"
    Credentials(path).set("http://center.example/", Credential(token="cap_x", account="dev"))
    found = Credentials(path).get("http://center.example")
    assert found is not None
    assert (found.token, mode(path), mode(path.parent)) == ("cap_x", 0o600, 0o700)
    assert "cap_x" not in repr(found)
    assert Credentials(path).get("http://other.example") is None
    assert Credentials(path).remove("http://center.example")
    assert not Credentials(path).remove("http://center.example")


def origin(name: str = "center.example", url: str | None = "http://a.example") -> TrustedOrigin:
    key = str(Ed25519Signer.generate().public)
    return TrustedOrigin(origin=name, key=key, url=url, added="2026-01-01T00:00:00Z")


def test_given_a_trusted_origin_then_another_key_never_replaces_it(tmp_path: Path) -> None:
    store = TrustStore(tmp_path / "trust.json")
    first = origin()
    store.add(first)
    with pytest.raises(FingerprintMismatch):
        store.add(origin())
    assert store.get("center.example") == first


def test_given_it_is_seen_through_a_relay_then_its_own_address_is_kept(tmp_path: Path) -> None:
    store = TrustStore(tmp_path / "trust.json")
    first = origin()
    store.add(first)
    store.add(first.model_copy(update={"url": None}))
    assert store.get("center.example") == first
    assert store.remove("http://a.example/") == ["center.example"]
    assert store.origins() == []


def test_given_many_at_once_then_none_is_lost(tmp_path: Path) -> None:
    store = TrustStore(tmp_path / "trust.json")
    rows = [origin(f"c{number}.example") for number in range(8)]
    threads = [threading.Thread(target=store.add, args=(row,)) for row in rows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.origins() == rows


def test_given_a_write_then_one_spelling_and_no_leftovers(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"b": 1, "a": "中"})
    first = path.read_bytes()
    write_json(path, {"a": "中", "b": 1})
    assert path.read_bytes() == first
    assert read_json(path) == {"a": "中", "b": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]
