"""Statements about releases that are listed: the publisher's own, and the acts that this center signs."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from sqlmodel import Session

from capmart_core.errors import InvalidRequest, InvalidStatement, NotAllowed
from capmart_core.ledger import PUBLISHER
from capmart_core.signing import open_statement
from capmart_core.statements import (
    Deprecate,
    EntryEnvelope,
    Quarantine,
    Recall,
    Statement,
    Takedown,
    Unyank,
    Yank,
)
from capmart_core.statements import Release as ReleaseStatement
from capmart_core.text import Text
from capmart_core.times import now_utc
from capmart_registry.accounts.principal import Principal
from capmart_registry.catalog.ledger_view import DatabaseLedger
from capmart_registry.catalog.models import Release
from capmart_registry.catalog.queries import release_row
from capmart_registry.center import Center
from capmart_registry.log import service as log
from capmart_registry.submissions.intake import check_owner

CenterOp = Literal["quarantine", "release", "recall", "takedown"]


def publisher_statement(center: Center, principal: Principal, envelope: EntryEnvelope) -> int:
    """Log a publisher's yank, unyank or deprecation at once, and return its index.

    Raises:
        InvalidStatement: it is none of these, or it contradicts the release.
        NamespaceNotHome, NotAllowed: the namespace is not theirs, or not at home here.
        KeyNotGranted, KeyRevoked, SignatureInvalid: the signature does not count.
        ComponentNotFound: there is no such release.
        StatementReplayed, StateConflict: it was said before, or takes back what was not said.
    """
    statement, _, _ = open_statement(envelope)
    if not isinstance(statement, Yank | Unyank | Deprecate):
        raise InvalidStatement(reason=f"{statement.op} is not taken here: yank, unyank or deprecate")
    with center.db.write() as session:
        check_owner(session, center, principal, statement.component)
        return log.append(center, session, envelope)


def center_act(
    center: Center,
    principal: Principal,
    component: str,
    version: str,
    op: CenterOp,
    *,
    reason: Text | None = None,
    deadline: datetime | None = None,
    replacement: str | None = None,
) -> int:
    """Sign and log what this center decides about a release, its own or another center's, and return the index.

    Args:
        center: this center.
        principal: who decided; needs the scope ``review`` or ``admin``.
        component: ``namespace/name``.
        version: of the release.
        op: what is decided; ``release`` ends a quarantine.
        reason: for everything but ``release``.
        deadline: of a recall.
        replacement: component to use instead of a recalled one.

    Raises:
        NotAllowed: the caller does not review.
        InvalidRequest: a reason or a deadline is missing.
        ComponentNotFound: there is no such release.
        StateConflict: a quarantine is ended that was not set.
    """
    if not principal.reviews:
        raise NotAllowed(action=f"{op} a release", needed="the role reviewer or admin")
    with center.db.write() as session:
        release = release_row(session, component, version)
        fields = _fields(session, center, release)
        statement = _statement(fields, op, reason=reason, deadline=deadline, replacement=replacement)
        return log.append_act(center, session, statement)


def next_seq(session: Session, component: str, version: str) -> int:
    """The lowest sequence number that the publisher's next statement about this release may carry."""
    fact = DatabaseLedger(session).release(component, version)
    return (fact.seqs.get(PUBLISHER, 0) if fact else 0) + 1


def _fields(session: Session, center: Center, release: Release) -> dict[str, object]:
    """What every act about ``release`` says."""
    fact = DatabaseLedger(session).release(release.component_id, release.version)
    return {
        "home": center.origin,
        "at": now_utc(),
        "component": release.component_id,
        "version": release.version,
        "digest": release.digest,
        "config": release.config,
        "kind": release.kind,
        "industries": tuple(release.industries),
        "scenarios": tuple(release.scenarios),
        "seq": (fact.seqs.get(center.origin, 0) if fact else 0) + 1,
    }


def _statement(
    fields: dict[str, object],
    op: CenterOp,
    *,
    reason: Text | None,
    deadline: datetime | None,
    replacement: str | None,
) -> Statement:
    if op == "release":
        return ReleaseStatement.model_validate(fields)
    if reason is None:
        raise InvalidRequest(where="reason", reason=f"{op} needs a reason in Chinese and English")
    if op == "quarantine":
        return Quarantine.model_validate(fields | {"reason": reason})
    if op == "takedown":
        return Takedown.model_validate(fields | {"reason": reason})
    if deadline is None:
        raise InvalidRequest(where="deadline", reason="a recall needs a deadline")
    return Recall.model_validate(fields | {"reason": reason, "deadline": deadline, "replacement": replacement})
