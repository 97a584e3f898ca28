"""DSSE envelopes (secure-systems-lab/dsse, protocol 1.0): a payload, its type and signatures over both.

The type is part of what is signed, so a payload signed as one thing can never be shown as another.
"""

from __future__ import annotations

import base64
import binascii

from pydantic import TypeAdapter, ValidationError

from capmart_core.canonical import canonical_bytes, parse_json
from capmart_core.errors import InvalidInput, InvalidJson, InvalidStatement, SignatureInvalid
from capmart_core.signing.keys import PublicKey, Signer
from capmart_core.statements import STATEMENT_TYPE, EntryEnvelope, EntrySignature, Statement, as_json

MAX_PAYLOAD_BYTES = 45_000

_statements: TypeAdapter[Statement] = TypeAdapter(Statement)


def pre_auth_encoding(payload: bytes, payload_type: str) -> bytes:
    """The bytes that a DSSE signature covers (protocol 1.0, "Signature Definition", PAE)."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign_payload(payload: bytes, payload_type: str, signer: Signer) -> EntryEnvelope:
    """Sign any payload.

    Raises:
        InvalidStatement: it is larger than an envelope can carry.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise InvalidStatement(reason=f"its payload is larger than {MAX_PAYLOAD_BYTES} bytes")
    signature = EntrySignature(
        keyid=signer.public.keyid, sig=_encode(signer.sign(pre_auth_encoding(payload, payload_type)))
    )
    return EntryEnvelope(payloadType=payload_type, payload=_encode(payload), signatures=(signature,))


def sign_statement(statement: Statement, signer: Signer) -> EntryEnvelope:
    """Sign a statement's canonical JSON."""
    return sign_payload(canonical_bytes(as_json(statement)), STATEMENT_TYPE, signer)


def payload_of(envelope: EntryEnvelope) -> bytes:
    """The payload's bytes, not verified.

    Raises:
        InvalidStatement: it is not base64.
    """
    return _decode(envelope.payload, "payload")


def verify_envelope(envelope: EntryEnvelope, key: PublicKey, payload_type: str) -> bytes:
    """Check that ``key`` signed the envelope's payload as ``payload_type``, and return the payload.

    Raises:
        SignatureInvalid: it has no signature by this key, a wrong one, or another type.
        InvalidStatement: payload or signature is not base64.
    """
    payload = payload_of(envelope)
    if envelope.payloadType != payload_type:
        raise SignatureInvalid(
            what="envelope", reason=f"its type is {envelope.payloadType[:100]!r}, not {payload_type!r}"
        )
    signatures = [signature for signature in envelope.signatures if signature.keyid == key.keyid]
    if not signatures:
        raise SignatureInvalid(what="envelope", reason=f"it has no signature by key {key.fingerprint}")
    message = pre_auth_encoding(payload, payload_type)
    for signature in signatures:
        key.verify(_decode(signature.sig, "signature"), message, what="envelope")
    return payload


def open_statement(envelope: EntryEnvelope) -> tuple[Statement, bytes, tuple[str, ...]]:
    """Read the statement in an envelope, not verified.

    Returns:
        The statement, the payload's bytes, and the ids of the keys that the signatures claim.

    Raises:
        InvalidStatement: another payload type, not canonical JSON, an unknown ``op``, a field missing or too many.
    """
    if envelope.payloadType != STATEMENT_TYPE:
        raise InvalidStatement(reason=f"its payload type is {envelope.payloadType[:100]!r}, not {STATEMENT_TYPE!r}")
    payload = payload_of(envelope)
    try:
        value = parse_json(payload, what="statement", max_bytes=MAX_PAYLOAD_BYTES)
        statement = _statements.validate_python(value)
        spelled = canonical_bytes(as_json(statement))
    except InvalidJson as error:
        raise InvalidStatement(reason=str(error.data["reason"])) from error
    except ValidationError as error:
        raise InvalidStatement(reason=_first_problem(error)) from error
    except InvalidInput as error:  # the validators of ids, versions and digests raise their own leaves
        raise InvalidStatement(reason=error.message("en")) from error
    if spelled != payload:
        raise InvalidStatement(reason="its payload is not canonical JSON (RFC 8785)")
    return statement, payload, tuple(signature.keyid for signature in envelope.signatures)


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in problem["loc"]) or "statement"
    return f"{place}: {problem['msg']}"[:300]


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _decode(text: str, what: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidStatement(reason=f"its {what} is not base64") from error
    if _encode(data) != text:  # one spelling only: no stray bits in the last character
        raise InvalidStatement(reason=f"its {what} is not canonical base64")
    return data
