"""The rules: which entries count, and what follows from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from capmart_core.errors import (
    ComponentNotFound,
    InvalidKey,
    InvalidStatement,
    KeyNotGranted,
    KeyRevoked,
    NamespaceNotHome,
    StateConflict,
    StatementReplayed,
    VersionExists,
)
from capmart_core.identifiers import ComponentId
from capmart_core.ledger.changes import (
    Change,
    KeyAdded,
    KeyRevokedFrom,
    ListingChanged,
    NamespaceGranted,
    NamespaceTransferred,
    ReleasePublished,
    ReleaseStateChanged,
)
from capmart_core.ledger.facts import PUBLISHER, KeyFact, LedgerView, Mark, NamespaceFact, ReleaseFact, ReleaseState
from capmart_core.signing import PublicKey, open_statement, verify_envelope
from capmart_core.statements import (
    PUBLISHER_OPS,
    STATEMENT_TYPE,
    Delist,
    Deprecate,
    Entry,
    EntryEnvelope,
    KeyAdd,
    KeyRevoke,
    List,
    NamespaceGrant,
    NamespaceTransfer,
    Publish,
    Quarantine,
    Recall,
    Release,
    Statement,
    Takedown,
    Unyank,
    Yank,
)
from capmart_core.text import Text

ReleaseStatement = Publish | Yank | Unyank | Deprecate | Quarantine | Release | Recall | Takedown | List | Delist
_MarkStatement = Yank | Deprecate | Quarantine | Recall | Takedown
_SETS = {
    "yank": ReleaseState.YANKED,
    "deprecate": ReleaseState.DEPRECATED,
    "quarantine": ReleaseState.QUARANTINED,
    "recall": ReleaseState.RECALLED,
    "takedown": ReleaseState.TAKEN_DOWN,
}
_TAKES_BACK = {"unyank": ReleaseState.YANKED, "release": ReleaseState.QUARANTINED}
_AGREED = ("digest", "config", "kind", "industries", "scenarios")
_REVOKED_REASON = Text(
    zh="其发布所用密钥自更早的日志序号起已被吊销", en="it rests on a key that was revoked from an earlier log index on"
)


def interpret(origin: str, origin_key: PublicKey, index: int, entry: Entry, view: LedgerView) -> list[Change]:
    """What follows from one entry of a log.

    Pure: the answer depends on the arguments alone. The order of the checks is fixed, so that every center and node
    gives the same reason: form, home, signature, then state.

    Args:
        origin: of the log.
        origin_key: the log's own key, which signs the center's acts.
        index: of the entry in that log.
        entry: the entry; for one not logged yet, as it would be.
        view: all that follows from the entries before it, of every log followed.

    Raises:
        InvalidStatement: not a statement, an unknown ``op``, or it contradicts what it speaks of.
        NamespaceNotHome: made for another log, or about a namespace whose home is another log.
        KeyNotGranted: no signature by a key of the namespace, or, for a center's act, by the log's own key.
        KeyRevoked: signed by a key that no longer signs at ``index``.
        SignatureInvalid: a signature by the right key that does not verify.
        VersionExists: the version is published already.
        ComponentNotFound: about a release of this home that is not published.
        StatementReplayed: its sequence number is not above the last one of that signer about that release.
        StateConflict: takes back what was not set, or grants what was granted.
    """
    statement, _, _ = open_statement(entry.envelope)
    return interpret_opened(origin, origin_key, index, entry, view, statement=statement)


def interpret_opened(
    origin: str,
    origin_key: PublicKey,
    index: int,
    entry: Entry,
    view: LedgerView,
    *,
    statement: Statement,
) -> list[Change]:
    """:func:`interpret` for an entry whose statement was read before."""
    namespace = (
        ComponentId.parse(statement.component).namespace
        if isinstance(statement, ReleaseStatement)
        else statement.namespace
    )
    if statement.home != origin:
        raise NamespaceNotHome(origin=origin, namespace=namespace, home=statement.home)
    what = _describe(statement)
    if not isinstance(statement, ReleaseStatement):
        _check_center(entry.envelope, origin_key, what, namespace)
        return list(_namespace_changes(origin, index, statement, view))
    case = _Case(origin, index, entry, view, what, namespace)
    if statement.op not in PUBLISHER_OPS:
        _check_center(entry.envelope, origin_key, what, namespace)
        return [case.center_act(statement)]
    keyid = case.check_publisher()
    return [case.publish(statement, keyid) if isinstance(statement, Publish) else case.publisher_act(statement, keyid)]


@dataclass(frozen=True)
class _Case:
    """One entry about a release, and what it is judged by."""

    origin: str
    index: int
    entry: Entry
    view: LedgerView
    what: str
    namespace: str

    def check_publisher(self) -> str:
        """The id of a key of the namespace that signed it and may; raises the most telling reason otherwise."""
        _refuse_foreign(self.origin, self.namespace, self.view)
        revoked: KeyFact | None = None
        for signature in self.entry.envelope.signatures:
            fact = self.view.key(self.namespace, signature.keyid)
            if fact is None or self.index <= fact.added_index:
                continue
            if not fact.signs(self.index):
                revoked = fact
                continue
            verify_envelope(self.entry.envelope, PublicKey.parse(fact.key), STATEMENT_TYPE)
            return fact.keyid
        if revoked is not None:
            raise KeyRevoked(what=self.what, keyid=revoked.keyid, from_index=revoked.revoked_from)
        raise KeyNotGranted(what=self.what, keyid=self.entry.envelope.signatures[0].keyid, namespace=self.namespace)

    def publish(self, statement: Publish, keyid: str) -> Change:
        fact = self.view.release(statement.component, statement.version)
        if fact is not None and fact.published is not None:
            raise VersionExists(release=fact.name, digest=fact.published.digest)
        return ReleasePublished(
            origin=self.origin,
            index=self.index,
            component=statement.component,
            version=statement.version,
            digest=statement.digest,
            config=statement.config,
            kind=statement.kind,
            industries=statement.industries,
            scenarios=statement.scenarios,
            seq=statement.seq,
            keyid=keyid,
            at=statement.at,
            accepted=self.entry.accepted,
            report=self.entry.report,
        )

    def publisher_act(self, statement: ReleaseStatement, keyid: str) -> Change:
        fact = self._published(statement)
        _check_seq(fact, PUBLISHER, statement.seq)
        return replace(self._mark_change(statement, fact, PUBLISHER), keyid=keyid)

    def center_act(self, statement: ReleaseStatement) -> Change:
        """A center's act; about a release of another home it may come before the release itself is seen."""
        home = self.view.namespace(self.namespace)
        if home is not None and home.home == self.origin:
            fact = self._published(statement)
        else:
            known = self.view.release(statement.component, statement.version)
            fact = known or ReleaseFact(statement.component, statement.version)
        _check_seq(fact, self.origin, statement.seq)
        if isinstance(statement, (List, Delist)):
            if home is not None and home.home == self.origin:
                raise InvalidStatement(reason="a release is listed at its home by its publication alone")
            listed = isinstance(statement, List)
            if listed == (self.origin in fact.listed_by):
                raise StateConflict(
                    what=fact.name,
                    state="listed" if listed else "not listed",
                    action=statement.op,
                    needed="not listed" if listed else "listed",
                )
            return ListingChanged(
                self.origin, self.index, statement.component, statement.version, listed=listed, seq=statement.seq
            )
        return self._mark_change(statement, fact, self.origin)

    def _published(self, statement: ReleaseStatement) -> ReleaseFact:
        fact = self.view.release(statement.component, statement.version)
        if fact is None or fact.published is None:
            raise ComponentNotFound(wanted=f"{statement.component}@{statement.version}", center=self.origin)
        for name in _AGREED:
            if getattr(statement, name) != getattr(fact.published, name):
                raise InvalidStatement(reason=f"its {name} is not that of the published {fact.name}")
        return fact

    def _mark_change(self, statement: ReleaseStatement, fact: ReleaseFact, by: str) -> ReleaseStateChanged:
        if isinstance(statement, _MarkStatement):
            mark = Mark(
                state=_SETS[statement.op],
                by=by,
                index=self.index,
                at=statement.at,
                reason=statement.reason,
                replacement=statement.replacement if isinstance(statement, (Deprecate, Recall)) else None,
                deadline=statement.deadline if isinstance(statement, Recall) else None,
            )
            return marked(self.origin, self.index, fact, mark, on=True, seq=statement.seq)
        state = _TAKES_BACK[statement.op]
        found = fact.mark(state, by)
        if found is None:
            raise StateConflict(what=fact.name, state=f"not {state}", action=statement.op, needed=str(state))
        return marked(self.origin, self.index, fact, found, on=False, seq=statement.seq)


def marked(
    origin: str, index: int, fact: ReleaseFact, mark: Mark, *, on: bool, seq: int | None = None
) -> ReleaseStateChanged:
    """The change that sets a mark on a release or takes it back, with the state that the release has then."""
    marks = with_mark(fact.marks, mark, on=on)
    return ReleaseStateChanged(
        origin=origin,
        index=index,
        component=fact.component,
        version=fact.version,
        mark=mark,
        on=on,
        state=replace(fact, marks=marks).state,
        seq=seq,
    )


def with_mark(marks: tuple[Mark, ...], mark: Mark, *, on: bool) -> tuple[Mark, ...]:
    """``marks`` once ``mark`` is set (it replaces an older one of the same state and author) or taken back."""
    others = tuple(old for old in marks if (old.state, old.by) != (mark.state, mark.by))
    return (*others, mark) if on else others


def _check_seq(fact: ReleaseFact, signer: str, seq: int) -> None:
    last = fact.seqs.get(signer, 0)
    if seq <= last:
        raise StatementReplayed(release=fact.name, seq=seq, last=last)


def _check_center(envelope: EntryEnvelope, origin_key: PublicKey, what: str, namespace: str) -> None:
    keyids = [signature.keyid for signature in envelope.signatures]
    if origin_key.keyid not in keyids:
        raise KeyNotGranted(what=what, keyid=keyids[0], namespace=namespace)
    verify_envelope(envelope, origin_key, STATEMENT_TYPE)


def _refuse_foreign(origin: str, namespace: str, view: LedgerView) -> NamespaceFact | None:
    fact = view.namespace(namespace)
    if fact is not None and fact.home != origin:
        raise NamespaceNotHome(origin=origin, namespace=namespace, home=fact.home)
    return fact


def _namespace_changes(
    origin: str, index: int, statement: NamespaceGrant | NamespaceTransfer | KeyAdd | KeyRevoke, view: LedgerView
) -> Iterator[Change]:
    name = statement.namespace
    fact = _refuse_foreign(origin, name, view)
    if isinstance(statement, NamespaceGrant):
        if fact is not None:
            raise StateConflict(what=f"namespace {name}", state="granted", action="ns.grant", needed="not granted")
        yield NamespaceGranted(origin, index, name, statement.organisation)
        return
    if fact is None:
        raise StateConflict(what=f"namespace {name}", state="not granted", action=statement.op, needed="granted")
    if isinstance(statement, NamespaceTransfer):
        yield NamespaceTransferred(origin, index, name, statement.organisation)
        return
    known = view.key(name, statement.keyid)
    if isinstance(statement, KeyAdd):
        try:
            key = PublicKey.parse(statement.key)
        except InvalidKey as error:
            raise InvalidStatement(reason=error.message("en")) from error
        if key.keyid != statement.keyid:
            raise InvalidStatement(reason="its keyid is not that of its key")
        if known is not None:
            raise StateConflict(
                what=f"key {statement.keyid} of {name}", state="known", action="key.add", needed="a new key"
            )
        yield KeyAdded(origin, index, name, statement.keyid, statement.key)
        return
    if known is None:
        raise KeyNotGranted(what=f"key.revoke at index {index}", keyid=statement.keyid, namespace=name)
    yield from _revoked(origin, index, statement, known, view)


def _revoked(origin: str, index: int, statement: KeyRevoke, known: KeyFact, view: LedgerView) -> Iterator[Change]:
    """A revocation can only reach further back than an earlier one; what rests on entries it reaches is quarantined."""
    since = min(statement.from_index, statement.from_index if known.revoked_from is None else known.revoked_from)
    yield KeyRevokedFrom(origin, index, statement.namespace, statement.keyid, since)
    for fact in sorted(view.releases(statement.namespace), key=lambda fact: (fact.component, fact.version)):
        by = f"@key:{statement.keyid}"
        if fact.signed.get(statement.keyid, -1) >= since and fact.mark(ReleaseState.QUARANTINED, by) is None:
            mark = Mark(ReleaseState.QUARANTINED, by, index, statement.at, _REVOKED_REASON)
            yield marked(origin, index, fact, mark, on=True)


def _describe(
    statement: ReleaseStatement | NamespaceGrant | NamespaceTransfer | KeyAdd | KeyRevoke,
) -> str:
    if isinstance(statement, ReleaseStatement):
        return f"{statement.op} of {statement.component}@{statement.version}"
    return f"{statement.op} of {statement.namespace}"
