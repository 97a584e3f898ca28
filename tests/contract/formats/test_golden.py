"""Formats that are meant to last: the bytes of a statement, an entry and a checkpoint, made with a known key.

Logs are kept for decades. When one of these tests fails, the format has changed, and every log written before becomes
unreadable or unverifiable: give the format a new version instead.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from capmart_core.log import (
    Checkpoint,
    Frontier,
    LogKey,
    decode_entry,
    encode_entry,
    leaf_hash,
    open_checkpoint,
    sign_checkpoint,
)
from capmart_core.signing import Ed25519Signer, open_statement, sign_statement
from capmart_core.statements import Entry, Publish

# The secret key of RFC 8032, section 7.1, test 1.
SIGNER = Ed25519Signer(
    Ed25519PrivateKey.from_private_bytes(
        bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    )
)
AT = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
STATEMENT = Publish(
    home="center.zhejiang.example",
    at=AT,
    component="acme/oee",
    version="1.0.0",
    digest="sha256:" + "1" * 64,
    config="sha256:" + "2" * 64,
    kind="tool",
    industries=("30", "36"),
    scenarios=("equipment",),
    seq=1,
)

PAYLOAD = (
    b'{"at":"2026-03-01T08:30:00Z","component":"acme/oee",'
    b'"config":"sha256:2222222222222222222222222222222222222222222222222222222222222222",'
    b'"digest":"sha256:1111111111111111111111111111111111111111111111111111111111111111",'
    b'"home":"center.zhejiang.example","industries":["30","36"],"kind":"tool","op":"publish",'
    b'"scenarios":["equipment"],"seq":1,"v":1,"version":"1.0.0"}'
)
SIGNATURE = "c62YlApk5jzMJnbNNbbl44e0OEem8l2P51G4jvPgoWnho/339V4XXttpCiwCPVtt9vcY5g8FojzTyHk1SrzsDQ=="
LEAF_SHA256 = "6bd1fcec670e16bc1acf9b44059754d4678064732d67f1bcbc5c5cc5e528fb95"
LOG_KEY = "center.zhejiang.example+d85c916c+AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea"
NOTE = """\
center.zhejiang.example
1
zsVJc4uBd3jkUmbRtdhLWSe/lE76ao0vf8ZKTxPFxv0=

— center.zhejiang.example 2FyRbAzq8t6tbZgwMeFyr0HXfjmlk8kP9EyZThol3wN1vPqAoozdZi1vkeTtq7HhtBQiuWq55CBb0ja5haQS4a0Ubgc=
— center.zhejiang.example \
nEJzKwAAAABpo/kImaZkzcC4yJfJiyTHnXkwKm1xhW8lndEtKt0jOzkqlcb1xp5hUiFkMMQ/OvJyn2b6B5wmAcX8fZDiGIcOuqoJAQ==
""".encode()


def test_given_the_key_of_rfc_8032_then_its_names_are_these() -> None:
    assert SIGNER.public.raw.hex().startswith("d75a980182b10ab7d54bfed3c964073a")
    assert str(SIGNER.public) == "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    assert SIGNER.public.keyid == "dc2837f7ac39707cf417d351e6546b2be1dd3b92f5bea391601f00c93169ddbd"
    assert SIGNER.public.fingerprint == "SHA256:3Cg396w5cHz0F9NR5lRrK+HdO5L1vqORYB8AyTFp3b0"
    assert str(LogKey("center.zhejiang.example", SIGNER.public)) == LOG_KEY


def test_given_a_statement_then_its_payload_and_signature_are_these() -> None:
    envelope = sign_statement(STATEMENT, SIGNER)
    statement, payload, _ = open_statement(envelope)
    assert (statement, payload) == (STATEMENT, PAYLOAD)
    assert envelope.signatures[0].sig == SIGNATURE


def test_given_an_entry_then_its_leaf_is_these_bytes() -> None:
    entry = Entry(accepted=AT, envelope=sign_statement(STATEMENT, SIGNER), report="sha256:" + "3" * 64)
    leaf = encode_entry(entry)
    assert hashlib.sha256(leaf).hexdigest() == LEAF_SHA256
    assert decode_entry(leaf) == entry


def test_given_a_log_of_that_one_entry_then_its_checkpoint_is_these_bytes() -> None:
    entry = Entry(accepted=AT, envelope=sign_statement(STATEMENT, SIGNER), report="sha256:" + "3" * 64)
    root = Frontier().add([leaf_hash(encode_entry(entry))]).root()
    checkpoint = Checkpoint("center.zhejiang.example", 1, root)
    assert sign_checkpoint(checkpoint, SIGNER, AT) == NOTE
    assert open_checkpoint(NOTE, LOG_KEY) == (checkpoint, AT)
