"""Proof, kept with each installed release, that it is in its home log: checked again at any time, without a network."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Literal

from pydantic import Base64Bytes, BaseModel, ConfigDict, ValidationError

from capmart_core.errors import InvalidStatement, KeyNotGranted, NotInLog, SignatureInvalid
from capmart_core.ledger import KeyFact, ReleasePublished
from capmart_core.log import LogKey, decode_entry, leaf_hash, open_checkpoint, verify_inclusion
from capmart_core.signing import PublicKey, open_statement, verify_envelope
from capmart_core.statements import STATEMENT_TYPE, Publish
from capmart_sdk.files import read_json, write_json
from capmart_sdk.follow import HttpLogSource, LogState, prove_inclusion


class InclusionProof(BaseModel):
    """An entry of a log, with what shows that a signed checkpoint covers it (RFC 6962, section 2.1.1).

    Attributes:
        leaf: the entry's bytes.
        path: hashes from the leaf to the root.
        checkpoint: the signed note.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    v: Literal[1] = 1
    origin: str
    index: int
    leaf: Base64Bytes
    path: tuple[Base64Bytes, ...]
    checkpoint: str

    @classmethod
    def fetch(cls, source: HttpLogSource, state: LogState, index: int) -> InclusionProof:
        """Ask a log's source for the proof of one entry; it is checked against the followed state.

        Raises:
            NotInLog, LogCorrupt: there is none.
        """
        leaf, path = prove_inclusion(source, state, index)
        return cls(
            origin=state.origin,
            index=index,
            leaf=base64.b64encode(leaf),
            path=tuple(base64.b64encode(part) for part in path),
            checkpoint=state.checkpoint.decode("utf-8"),
        )

    @classmethod
    def load(cls, path: Path) -> InclusionProof:
        """Read a kept proof.

        Raises:
            InvalidStatement: it is missing or was altered beyond reading.
        """
        try:
            return cls.model_validate(read_json(path))
        except ValidationError as error:
            raise InvalidStatement(reason=f"{path.name}: {error.error_count()} problem(s)") from error

    def save(self, path: Path) -> None:
        """Keep it."""
        write_json(path, self.model_dump(mode="json"))

    def check_included(self, key: PublicKey) -> None:
        """Check the checkpoint's signature and the path from the leaf to its root.

        Raises:
            SignatureInvalid: the log's key did not sign the checkpoint.
            NotInLog: the path does not lead from the leaf to the signed root.
        """
        checkpoint, _ = open_checkpoint(self.checkpoint.encode("utf-8"), LogKey(self.origin, key))
        if not verify_inclusion(self.index, checkpoint.size, leaf_hash(self.leaf), list(self.path), checkpoint.root):
            raise NotInLog(what=f"entry {self.index}", origin=self.origin)

    def check_statement(self, published: ReleasePublished, key: KeyFact | None) -> None:
        """Check that the entry is the publisher's signed statement about exactly this release.

        Raises:
            SignatureInvalid: the statement speaks of something else, or the signature is not the key's.
            KeyNotGranted: the namespace does not have the key.
        """
        envelope = decode_entry(self.leaf).envelope
        statement, _, _ = open_statement(envelope)
        what = f"{published.component}@{published.version}"
        said = (
            (statement.component, statement.version, statement.digest, statement.config)
            if isinstance(statement, Publish)
            else None
        )
        if said != (published.component, published.version, published.digest, published.config):
            raise SignatureInvalid(what=what, reason=f"entry {self.index} of {self.origin} speaks of something else")
        if key is None:
            namespace = published.component.partition("/")[0]
            raise KeyNotGranted(what=what, keyid=published.keyid, namespace=namespace)
        verify_envelope(envelope, PublicKey.parse(key.key), STATEMENT_TYPE)
