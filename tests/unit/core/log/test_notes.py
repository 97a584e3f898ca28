from __future__ import annotations

import base64
import hashlib
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from capmart_core.errors import InvalidKey, SignatureInvalid
from capmart_core.log import Checkpoint, LogKey, Note, open_checkpoint, sign_checkpoint
from capmart_core.log.notes import NoteSignature, build_note, verify_note
from capmart_core.signing import Ed25519Signer
from tests.support.simulated_log import flip

# golang.org/x/mod/sumdb/note, the examples of its documentation.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
NOTE = (
    TEXT + "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"
).encode()

AT = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
ROOT = hashlib.sha256(b"root").digest()
SIGNER = Ed25519Signer.generate()
CHECKPOINT = Checkpoint("center.example/log", 20_852_163, ROOT)
KEY = LogKey(CHECKPOINT.origin, SIGNER.public)


@pytest.mark.parametrize("text", [PETER, ENOCH])
def test_given_the_note_of_the_reference_implementation_then_both_keys_verify_it(text: str) -> None:
    key = LogKey.parse(text)
    assert str(key) == text
    assert verify_note(Note.parse(NOTE), key) == TEXT
    assert bytes(Note.parse(NOTE)) == NOTE


def test_given_the_example_checkpoint_of_the_specification_then_it_parses() -> None:
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    checkpoint = Checkpoint.parse(text)
    assert (checkpoint.origin, checkpoint.size, checkpoint.text) == ("example.com/behind-the-sofa", 20_852_163, text)


def test_given_a_signed_checkpoint_then_its_bytes_are_those_of_the_specifications() -> None:
    """Built again by hand from C2SP signed-note and tlog-cosignature, and verified by cryptography alone."""
    data = sign_checkpoint(CHECKPOINT, SIGNER, AT)
    text, _, signatures = data.partition(b"\n\n")
    text += b"\n"
    assert text == f"center.example/log\n20852163\n{base64.b64encode(ROOT).decode()}\n".encode()
    plain, dated = (base64.b64decode(line.split(b" ")[2]) for line in signatures.splitlines())
    public = Ed25519PublicKey.from_public_bytes(SIGNER.public.raw)
    name = b"center.example/log\n"
    assert plain[:4] == hashlib.sha256(name + b"\x01" + SIGNER.public.raw).digest()[:4]
    public.verify(plain[4:], text)
    assert dated[:4] == hashlib.sha256(name + b"\x04" + SIGNER.public.raw).digest()[:4]
    assert int.from_bytes(dated[4:12], "big") == int(AT.timestamp())
    public.verify(dated[12:], b"cosignature/v1\ntime %d\n" % int(AT.timestamp()) + text)


@given(st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32), st.integers(0, 253_402_300_799))
def test_given_any_checkpoint_when_signed_and_opened_then_it_is_equal(size: int, root: bytes, at: int) -> None:
    checkpoint = Checkpoint("center.example", size, root)
    key = LogKey("center.example", SIGNER.public)
    moment = datetime.fromtimestamp(at, UTC)
    assert open_checkpoint(sign_checkpoint(checkpoint, SIGNER, moment), str(key)) == (checkpoint, moment)


def test_given_every_single_bit_flipped_then_no_other_checkpoint_is_ever_accepted() -> None:
    data = sign_checkpoint(CHECKPOINT, SIGNER, AT)
    for place in range(len(data)):
        for bit in range(8):
            with suppress(SignatureInvalid):
                assert open_checkpoint(flip(data, place, bit), KEY) == (CHECKPOINT, AT)


def test_given_signatures_by_others_then_they_are_ignored_and_a_wrong_one_by_the_key_refuses_all() -> None:
    note = Note.parse(sign_checkpoint(CHECKPOINT, SIGNER, AT))
    stranger = NoteSignature("witness.example", b"\x01\x02\x03\x04", bytes(72))
    same_name = NoteSignature(KEY.name, b"\x01\x02\x03\x04", bytes(64))
    same_hash = NoteSignature("other.example", KEY.hash(1), bytes(64))
    together = build_note(note.text, (stranger, same_name, *note.signatures, same_hash))
    assert open_checkpoint(together, KEY) == (CHECKPOINT, AT)
    for kind, length in ((1, 64), (4, 72)):
        wrong = NoteSignature(KEY.name, KEY.hash(kind), bytes(length))
        with pytest.raises(SignatureInvalid):
            open_checkpoint(build_note(note.text, (*note.signatures, wrong)), KEY)


def test_given_several_dates_then_the_latest_counts() -> None:
    later = datetime(2026, 3, 2, tzinfo=UTC)
    first, second = (Note.parse(sign_checkpoint(CHECKPOINT, SIGNER, at)) for at in (later, AT))
    assert open_checkpoint(build_note(first.text, (*first.signatures, second.signatures[1])), KEY)[1] == later


@pytest.mark.parametrize("missing", [0, 1])
def test_given_either_signature_missing_then_the_checkpoint_is_refused(missing: int) -> None:
    note = Note.parse(sign_checkpoint(CHECKPOINT, SIGNER, AT))
    with pytest.raises(SignatureInvalid, match=r"no signature|no dated"):
        open_checkpoint(build_note(note.text, (note.signatures[1 - missing],)), KEY)


def test_given_another_key_or_another_origin_then_the_checkpoint_is_refused() -> None:
    data = sign_checkpoint(CHECKPOINT, SIGNER, AT)
    with pytest.raises(SignatureInvalid):
        open_checkpoint(data, LogKey(KEY.name, Ed25519Signer.generate().public))
    with pytest.raises(SignatureInvalid):
        open_checkpoint(data, LogKey("other.example", SIGNER.public))
    text = Checkpoint("other.example", 1, ROOT).text
    claimed = build_note(text, (NoteSignature(KEY.name, KEY.hash(1), SIGNER.sign(text.encode())),))
    with pytest.raises(SignatureInvalid, match=r"it is of 'other.example'"):
        open_checkpoint(claimed, KEY)


@pytest.mark.parametrize(
    "text",
    [
        "a\n1\n",
        "a\n01\nAA==\n",
        "a\n-1\nAA==\n",
        "a\n1\n\nAA==\n",
        "a\n1\nAA==\n",
        "a\n1\n!\n",
        "a\n9223372036854775808\nAA==\n",
    ],
)
def test_given_text_that_is_no_checkpoint_then_it_is_refused(text: str) -> None:
    with pytest.raises(SignatureInvalid):
        Checkpoint.parse(text)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"text\n",
        b"text\n\n",
        b"text\n\n- name AAAAAAA=\n",
        "text\n\n— name\n".encode(),
        "text\n\n— a+b AAAAAAA=\n".encode(),
        "text\n\n— name !!!!\n".encode(),
        "text\n\n— name AAAA\n".encode(),
        "te\rxt\n\n— name AAAAAAA=\n".encode(),
        b"\xff\n\n",
        "text\n\n— name AAAAAAA=".encode(),
        ("text\n\n" + "— name AAAAAAA=\n" * 100).encode(),
        b"a" * 70_000,
    ],
)
def test_given_bytes_that_are_no_note_then_they_are_refused(data: bytes) -> None:
    with pytest.raises(SignatureInvalid):
        Note.parse(data)


signatures = st.builds(
    NoteSignature,
    st.text(
        st.characters(codec="utf-8", exclude_categories=["Z", "C"], exclude_characters="+"), min_size=1, max_size=20
    ),
    st.binary(min_size=4, max_size=4),
    st.binary(min_size=1, max_size=80),
)
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]) | st.just("\n"), max_size=80).map(
    lambda text: text + "\n"
)


@given(texts, st.lists(signatures, min_size=1, max_size=5))
def test_given_any_note_when_built_and_parsed_then_it_is_equal(text: str, lines: list[NoteSignature]) -> None:
    assert Note.parse(build_note(text, lines)) == Note(text, tuple(lines))


@given(st.binary(max_size=200))
def test_given_any_bytes_then_a_note_or_our_error_comes_out(data: bytes) -> None:
    with suppress(SignatureInvalid):
        assert bytes(Note.parse(data)) == data


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a+b",
        "a b+c74f20a3+AAAA",
        PETER.replace("c74f20a3", "c74f20a4"),
        PETER[:-4],
        PETER.replace("+AR", "+BR"),
        "n+00000000+!!!",
    ],
)
def test_given_text_that_is_no_verifier_key_then_it_is_refused(text: str) -> None:
    with pytest.raises(InvalidKey):
        LogKey.parse(text)
