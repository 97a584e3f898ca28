"""Keys, and signatures over anything: DSSE envelopes and statements."""

from capmart_core.signing.dsse import open_statement, pre_auth_encoding, sign_payload, sign_statement, verify_envelope
from capmart_core.signing.keys import Ed25519Signer, PublicKey, Signer

__all__ = [
    "Ed25519Signer",
    "PublicKey",
    "Signer",
    "open_statement",
    "pre_auth_encoding",
    "sign_payload",
    "sign_statement",
    "verify_envelope",
]
