"""Statements and log entries: the formats that centers sign, log, relay and verify.

A *statement* says one thing about a release, a namespace or a key. Its canonical JSON (RFC 8785) is the payload of a
DSSE envelope. An *entry* is that envelope plus what the center adds when it accepts it; its canonical JSON is one leaf
of the center's log.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from capmart_core.manifest.models import Code, DigestText, Id, Kind, VersionText
from capmart_core.text import Text
from capmart_core.times import format_utc, parse_utc

STATEMENT_TYPE = "application/vnd.capmart.statement.v1+json"
MAX_ENTRY_BYTES = 65_535

Moment = Annotated[datetime, BeforeValidator(parse_utc), PlainSerializer(format_utc)]
Origin = Annotated[str, Field(pattern=r"^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?(?:/[a-z0-9-]{1,63})*$")]
NamespaceText = Annotated[str, Field(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$")]
_STORABLE = r"^[^\x00]*$"  # databases hold no U+0000
Organisation = Annotated[str, Field(min_length=1, max_length=200, pattern=_STORABLE)]
KeyId = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def _storable(text: Text) -> Text:
    if "\0" in text.zh or "\0" in text.en:
        raise ValueError("a text has the character U+0000")
    return text


Reason = Annotated[Text, AfterValidator(_storable)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Statement(_Strict):
    """What every statement has.

    Attributes:
        home: origin of the log for which it was made; no other log accepts it.
        at: when its signer made it, UTC.
    """

    v: Literal[1] = 1
    home: Origin
    at: Moment


class _ReleaseStatement(_Statement):
    """A publisher's or a center's statement about one release.

    Attributes:
        digest: of the package's index.
        config: digest of the manifest, so that facets cannot be changed on the way.
        seq: strictly increasing over one signer's statements about one release.
    """

    component: Id
    version: VersionText
    digest: DigestText
    config: DigestText
    kind: Kind
    industries: tuple[Code, ...] = ()
    scenarios: tuple[Code, ...] = ()
    seq: Annotated[int, Field(ge=1)]


class Publish(_ReleaseStatement):
    """Publisher: this release exists and has this content."""

    op: Literal["publish"] = "publish"


class Yank(_ReleaseStatement):
    """Publisher: no new installs, except where a lock names it."""

    op: Literal["yank"] = "yank"
    reason: Reason


class Unyank(_ReleaseStatement):
    """Publisher: takes a yank back."""

    op: Literal["unyank"] = "unyank"


class Deprecate(_ReleaseStatement):
    """Publisher: use something else from now on."""

    op: Literal["deprecate"] = "deprecate"
    reason: Reason
    replacement: Id | None = None


class Quarantine(_ReleaseStatement):
    """Center: suspended while something is looked into."""

    op: Literal["quarantine"] = "quarantine"
    reason: Reason


class Release(_ReleaseStatement):
    """Center: ends a quarantine."""

    op: Literal["release"] = "release"


class Recall(_ReleaseStatement):
    """Center: stop using it by a deadline."""

    op: Literal["recall"] = "recall"
    reason: Reason
    deadline: Moment
    replacement: Id | None = None


class Takedown(_ReleaseStatement):
    """Center: removed for good; its content is no longer served."""

    op: Literal["takedown"] = "takedown"
    reason: Reason


class List(_ReleaseStatement):
    """Center: lists a foreign release that it reviewed."""

    op: Literal["list"] = "list"


class Delist(_ReleaseStatement):
    """Center: no longer lists a foreign release."""

    op: Literal["delist"] = "delist"
    reason: Reason


class NamespaceGrant(_Statement):
    """Center: this namespace belongs to this organisation, and this log is its home."""

    op: Literal["ns.grant"] = "ns.grant"
    namespace: NamespaceText
    organisation: Organisation


class NamespaceTransfer(_Statement):
    """Center: the namespace's owner changed."""

    op: Literal["ns.transfer"] = "ns.transfer"
    namespace: NamespaceText
    organisation: Organisation


class KeyAdd(_Statement):
    """Center: this publisher key may sign for the namespace from this entry on.

    Attributes:
        key: the public key, spelled ``ed25519:`` and base64.
    """

    op: Literal["key.add"] = "key.add"
    namespace: NamespaceText
    keyid: KeyId
    key: Annotated[str, Field(max_length=500, pattern=_STORABLE)]


class KeyRevoke(_Statement):
    """Center: entries from ``from_index`` on that this key signed are quarantined; earlier ones stay valid."""

    op: Literal["key.revoke"] = "key.revoke"
    namespace: NamespaceText
    keyid: KeyId
    from_index: Annotated[int, Field(ge=0)]


Statement = Annotated[
    Publish
    | Yank
    | Unyank
    | Deprecate
    | Quarantine
    | Release
    | Recall
    | Takedown
    | List
    | Delist
    | NamespaceGrant
    | NamespaceTransfer
    | KeyAdd
    | KeyRevoke,
    Field(discriminator="op"),
]

PUBLISHER_OPS = frozenset({"publish", "yank", "unyank", "deprecate"})


class EntrySignature(_Strict):
    """One DSSE signature: standard base64 over the pre-authentication encoding."""

    keyid: KeyId
    sig: Annotated[str, Field(max_length=1000)]


class EntryEnvelope(_Strict):
    """A DSSE envelope as JSON (secure-systems-lab/dsse, protocol 1.0)."""

    payloadType: Annotated[str, Field(max_length=200)]  # noqa: N815 - the name in the DSSE format
    payload: Annotated[str, Field(max_length=60_000)]
    signatures: Annotated[tuple[EntrySignature, ...], Field(min_length=1, max_length=4)]


class Entry(_Strict):
    """One leaf of a center's log.

    Attributes:
        accepted: when the center accepted it, UTC.
        report: digest of the signed review report; None for the center's own acts.
    """

    v: Literal[1] = 1
    accepted: Moment
    envelope: EntryEnvelope
    report: DigestText | None = None


def as_json(model: BaseModel) -> dict[str, Any]:
    """The model as plain JSON without absent fields, ready for canonical bytes."""
    return model.model_dump(mode="json", exclude_none=True)
