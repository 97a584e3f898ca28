from __future__ import annotations

import pytest

from capmart_core.canonical import canonical_bytes
from capmart_core.errors import InvalidStatement, TooLarge
from capmart_core.log import decode_entry, encode_entry
from capmart_core.signing import Ed25519Signer, sign_payload, sign_statement
from capmart_core.statements import as_json
from tests.support.simulated_log import entry, statement

MADE = entry(sign_statement(statement("publish", component="acme/tool"), Ed25519Signer.generate()))


def test_given_an_entry_when_encoded_and_decoded_then_it_is_equal_and_fits_a_leaf() -> None:
    leaf = encode_entry(MADE)
    assert decode_entry(leaf) == MADE
    assert len(leaf) < 1500


@pytest.mark.parametrize(
    "leaf",
    [
        b"",
        b"null",
        b"{}",
        encode_entry(MADE) + b"\n",
        encode_entry(MADE).replace(b'"v":1', b'"v":2'),
        encode_entry(MADE).replace(b'"accepted":"2026', b'"accepted":"026'),
        canonical_bytes({**as_json(MADE), "report": "sha256:short"}),
        b"[" * 60_000,
    ],
)
def test_given_bytes_that_are_no_entry_then_they_are_refused(leaf: bytes) -> None:
    with pytest.raises(InvalidStatement):
        decode_entry(leaf)


def test_given_an_entry_beyond_a_leaf_then_it_is_refused() -> None:
    signer = Ed25519Signer.generate()
    envelope = sign_payload(bytes(45_000), "application/octet-stream", signer)
    assert encode_entry(entry(envelope))
    with pytest.raises(TooLarge):
        encode_entry(entry(envelope.model_copy(update={"payload": "A" * 66_000})))
