from __future__ import annotations

import stat
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope
from securesystemslib.signer._key import SSlibKey

from capmart_core.canonical import canonical_bytes
from capmart_core.errors import InvalidKey, InvalidStatement, NotFound, SignatureInvalid, StateConflict
from capmart_core.signing import (
    Ed25519Signer,
    PublicKey,
    open_statement,
    pre_auth_encoding,
    sign_payload,
    sign_statement,
    verify_envelope,
)
from capmart_core.statements import STATEMENT_TYPE, EntryEnvelope, NamespaceGrant, as_json
from tests.support.simulated_log import flip, statement

GRANT = NamespaceGrant(
    home="center.example", at=datetime(2026, 3, 1, tzinfo=UTC), namespace="acme", organisation="Acme 公司"
)


@pytest.fixture(scope="module")
def signer() -> Ed25519Signer:
    return Ed25519Signer.generate()


def sslib_key(key: PublicKey) -> SSlibKey:
    return SSlibKey(key.keyid, "ed25519", "ed25519", {"public": key.raw.hex()})


def test_given_the_example_of_the_dsse_specification_then_the_encoding_is_the_published_one() -> None:
    encoded = pre_auth_encoding(b"hello world", "http://example.com/HelloWorld")
    assert encoded == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


@given(st.binary(max_size=300), st.text(max_size=40))
def test_given_anything_signed_then_securesystemslib_verifies_it_too(payload: bytes, kind: str) -> None:
    signer = Ed25519Signer.generate()
    envelope = sign_payload(payload, kind, signer)
    other = Envelope.from_dict(as_json(envelope))
    assert other.payload == payload
    assert signer.public.keyid in other.verify([sslib_key(signer.public)], 1)
    assert verify_envelope(envelope, signer.public, kind) == payload


def test_given_an_envelope_of_securesystemslib_then_we_verify_it(signer: Ed25519Signer) -> None:
    other = Envelope(b"payload", "text/plain", {})
    made = sign_payload(b"payload", "text/plain", signer)
    other.signatures = Envelope.from_dict(as_json(made)).signatures
    assert verify_envelope(EntryEnvelope.model_validate(other.to_dict()), signer.public, "text/plain") == b"payload"


def test_given_a_statement_when_signed_and_opened_then_it_is_equal_and_canonical(signer: Ed25519Signer) -> None:
    opened, payload, keyids = open_statement(sign_statement(GRANT, signer))
    assert opened == GRANT
    assert payload == canonical_bytes(as_json(GRANT))
    assert keyids == (signer.public.keyid,)


def test_given_a_payload_of_another_type_replayed_as_a_statement_then_it_is_refused(signer: Ed25519Signer) -> None:
    payload = canonical_bytes(as_json(GRANT))
    replayed = sign_payload(payload, "application/vnd.capmart.receipt.v1+json", signer)
    with pytest.raises(InvalidStatement, match="payload type"):
        open_statement(replayed)
    relabelled = replayed.model_copy(update={"payloadType": STATEMENT_TYPE})
    with pytest.raises(SignatureInvalid):
        verify_envelope(relabelled, signer.public, STATEMENT_TYPE)


def test_given_another_key_then_verification_names_it(signer: Ed25519Signer) -> None:
    envelope = sign_statement(GRANT, signer)
    other = Ed25519Signer.generate().public
    with pytest.raises(SignatureInvalid, match="no signature by key"):
        verify_envelope(envelope, other, STATEMENT_TYPE)
    claimed = envelope.signatures[0].model_copy(update={"keyid": other.keyid})
    with pytest.raises(SignatureInvalid, match="not made by key"):
        verify_envelope(envelope.model_copy(update={"signatures": (claimed,)}), other, STATEMENT_TYPE)


@given(st.data())
def test_given_one_bit_flipped_in_the_payload_then_the_signature_fails(data: st.DataObject) -> None:
    signer = Ed25519Signer.generate()
    payload = data.draw(st.binary(min_size=1, max_size=60))
    place = data.draw(st.integers(0, len(payload) - 1))
    envelope = sign_payload(payload, "text/plain", signer)
    changed = sign_payload(flip(payload, place, data.draw(st.integers(0, 7))), "text/plain", signer)
    with pytest.raises(SignatureInvalid):
        verify_envelope(envelope.model_copy(update={"payload": changed.payload}), signer.public, "text/plain")


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"{", "Expecting"),
        (b"[]", "statement|dictionary|object"),
        (b'{"op":"publish"}', "home"),
        (b'{"op":"launch","v":1}', "op"),
        (canonical_bytes(as_json(GRANT)) + b" ", "canonical"),
        (canonical_bytes({**as_json(GRANT), "extra": 1}), "extra"),
        (canonical_bytes({**as_json(statement("publish", component="acme/x")), "version": "1"}), "version"),
        (canonical_bytes({**as_json(statement("publish", component="acme/x")), "digest": "sha1:00"}), "digest"),
    ],
)
def test_given_a_malformed_statement_then_the_reason_is_named(
    signer: Ed25519Signer, payload: bytes, reason: str
) -> None:
    with pytest.raises(InvalidStatement, match=reason):
        open_statement(sign_payload(payload, STATEMENT_TYPE, signer))


@pytest.mark.parametrize("payload", ["%%%", "YQ", "YR=="])
def test_given_base64_that_is_none_or_not_canonical_then_it_is_refused(signer: Ed25519Signer, payload: str) -> None:
    envelope = sign_statement(GRANT, signer).model_copy(update={"payload": payload})
    with pytest.raises(InvalidStatement, match="base64"):
        open_statement(envelope)


def test_given_a_key_when_spelled_and_parsed_then_it_is_equal(signer: Ed25519Signer) -> None:
    key = signer.public
    assert PublicKey.parse(str(key)) == key
    assert str(key).startswith("ed25519:")
    assert len(key.keyid) == 64
    assert key.fingerprint.startswith("SHA256:")
    assert len(key.fingerprint) == len("SHA256:") + 43


@pytest.mark.parametrize("text", ["", "ed25519", "ed25519:AAAA", "sm2:AAAA", "ed25519:!!!", "ed25519:" + "A" * 600])
def test_given_text_that_is_no_key_then_it_is_refused(text: str) -> None:
    with pytest.raises(InvalidKey):
        PublicKey.parse(text)


@given(st.text(max_size=80))
def test_given_any_text_then_a_key_or_our_error_comes_out(text: str) -> None:
    with suppress(InvalidKey):
        assert str(PublicKey.parse(text)) == text


@pytest.mark.parametrize("passphrase", [None, "口令 pass"])
def test_given_a_saved_key_then_only_its_owner_reads_it_and_it_signs_alike(
    tmp_path: Path, signer: Ed25519Signer, passphrase: str | None
) -> None:
    path = tmp_path / "keys" / "publisher.pem"
    signer.save(path, passphrase)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    loaded = Ed25519Signer.load(path, passphrase)
    assert loaded.public == signer.public
    assert loaded.sign(b"x") == signer.sign(b"x")
    with pytest.raises(StateConflict):
        signer.save(path)


def test_given_key_files_that_cannot_be_used_then_each_says_why(tmp_path: Path, signer: Ed25519Signer) -> None:
    with pytest.raises(NotFound):
        Ed25519Signer.load(tmp_path / "none.pem")
    locked = tmp_path / "locked.pem"
    signer.save(locked, "secret")
    with pytest.raises(InvalidKey, match="passphrase"):
        Ed25519Signer.load(locked)
    with pytest.raises(InvalidKey, match="passphrase is wrong"):
        Ed25519Signer.load(locked, "guess")
    open_key = tmp_path / "open.pem"
    signer.save(open_key)
    with pytest.raises(InvalidKey, match="no passphrase"):
        Ed25519Signer.load(open_key, "needless")
    garbage = tmp_path / "garbage.pem"
    garbage.write_bytes(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    with pytest.raises(InvalidKey):
        Ed25519Signer.load(garbage)


def test_given_a_signer_then_its_private_key_shows_nowhere(signer: Ed25519Signer) -> None:
    assert signer.public.fingerprint in repr(signer)
    assert len(repr(signer)) < 80
