"""Taking a submission: what must be right before anybody looks at it."""

from __future__ import annotations

import secrets

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from capmart_core.errors import (
    InvalidStatement,
    KeyNotGranted,
    KeyRevoked,
    NamespaceNotHome,
    NotAllowed,
    PackageIncomplete,
    VersionExists,
)
from capmart_core.manifest import Manifest
from capmart_core.signing import PublicKey, open_statement, verify_envelope
from capmart_core.statements import STATEMENT_TYPE, EntryEnvelope, Publish, as_json
from capmart_core.times import now_utc
from capmart_registry.accounts.principal import Principal
from capmart_registry.artifacts import service as artifacts
from capmart_registry.catalog.models import LedgerKey, LedgerNamespace, Release
from capmart_registry.center import Center
from capmart_registry.submissions import jobs
from capmart_registry.submissions.content import PackageContent, read_package
from capmart_registry.submissions.models import Submission
from capmart_registry.submissions.states import SubmissionState

CHECK = "check"
"""Kind of the job that runs the checks over a submission."""


def submit(center: Center, principal: Principal, envelope: EntryEnvelope) -> Submission:
    """Take a publisher's signed statement whose content was sent before.

    Sending the very same content again answers with the submission that it made, also when that is listed; a version
    whose last submission was rejected or failed may be submitted anew.

    Raises:
        InvalidStatement: it is no publish statement, or it contradicts the manifest.
        NamespaceNotHome: made for another center, or the namespace's home is another.
        NotAllowed: the namespace belongs to another organisation.
        KeyNotGranted, KeyRevoked, SignatureInvalid: the signature does not count.
        PackageIncomplete, InvalidPackage, InvalidManifest: the content is missing or malformed.
        VersionExists: the version is logged, or another submission of it with other content is under way.
    """
    statement = _publish_statement(center, envelope)
    with center.db.read() as session:
        check_owner(session, center, principal, statement.component)
        _check_signature(session, envelope, statement)
        known = _known(session, statement)
        # Content of another repository is not the caller's to publish, even where its digest is known.
        here = artifacts.find_manifest(session, statement.component, statement.digest) is not None
    if known is not None:
        return known
    release = f"{statement.component}@{statement.version}"
    if not here:
        raise PackageIncomplete(release=release, count=1, missing=statement.digest)
    content = read_package(center.blobs, statement.digest, what=release)
    _check_agrees(statement, content)
    try:
        with center.db.write() as session:
            known = _known(session, statement)
            return known or _store(session, principal, envelope, statement, content)
    except IntegrityError:  # two at once: the other one was first
        with center.db.read() as session:
            known = _known(session, statement)
        if known is None:
            raise
        return known


def check_owner(session: Session, center: Center, principal: Principal, component: str) -> LedgerNamespace:
    """Refuse whoever does not own the component's namespace here.

    Raises:
        NamespaceNotHome: the namespace's home is another center.
        NotAllowed: it belongs to another organisation, or to none.
    """
    namespace = component.partition("/")[0]
    row = session.get(LedgerNamespace, namespace)
    if row is not None and row.home != center.origin:
        raise NamespaceNotHome(origin=center.origin, namespace=namespace, home=row.home)
    if row is None or row.organisation != principal.organisation:
        raise NotAllowed(
            action=f"publish in namespace {namespace}",
            needed=f"an account of the organisation that owns {namespace}; yours is {principal.organisation}",
        )
    return row


def _publish_statement(center: Center, envelope: EntryEnvelope) -> Publish:
    statement, _, _ = open_statement(envelope)
    if not isinstance(statement, Publish):
        raise InvalidStatement(reason=f"a submission is a publish statement, not {statement.op}")
    if statement.home != center.origin:
        namespace = statement.component.partition("/")[0]
        raise NamespaceNotHome(origin=center.origin, namespace=namespace, home=statement.home)
    return statement


def _check_signature(session: Session, envelope: EntryEnvelope, statement: Publish) -> None:
    namespace = statement.component.partition("/")[0]
    what = f"{statement.component}@{statement.version}"
    revoked: LedgerKey | None = None
    for signature in envelope.signatures:
        key = session.get(LedgerKey, (namespace, signature.keyid))
        if key is None:
            continue
        if key.revoked_from is not None:
            revoked = key
            continue
        verify_envelope(envelope, PublicKey.parse(key.key), STATEMENT_TYPE)
        return
    if revoked is not None:
        raise KeyRevoked(what=what, keyid=revoked.keyid, from_index=revoked.revoked_from)
    raise KeyNotGranted(what=what, keyid=envelope.signatures[0].keyid, namespace=namespace)


def _known(session: Session, statement: Publish) -> Submission | None:
    """The submission of this very content that is listed or under way; None when the version is free.

    Raises:
        VersionExists: other content is logged or under way; a logged version is never reused.
    """
    logged = select(Release.digest).where(
        Release.component_id == statement.component, Release.version == statement.version
    )
    digest = session.exec(logged).first()
    states = [str(state) for state in SubmissionState if state.open or state is SubmissionState.LISTED]
    found = select(Submission).where(
        Submission.component_id == statement.component,
        Submission.version == statement.version,
        col(Submission.state).in_(states),
    )
    row = session.exec(found).first()
    digest = digest or (row.digest if row is not None else None)
    if digest is None:
        return None
    if row is None or digest != statement.digest:
        raise VersionExists(release=f"{statement.component}@{statement.version}", digest=digest)
    return row


def _check_agrees(statement: Publish, content: PackageContent) -> None:
    """What was signed is what the manifest says, so that nobody can relabel a component."""
    manifest: Manifest = content.layout.manifest
    told = (
        ("config", statement.config, content.layout.config.digest),
        ("component", statement.component, manifest.id),
        ("version", statement.version, manifest.version),
        ("kind", statement.kind, manifest.kind),
        ("industries", statement.industries, manifest.taxonomy.industries),
        ("scenarios", statement.scenarios, manifest.taxonomy.scenarios),
    )
    wrong = [name for name, signed, said in told if signed != said]
    if wrong:
        raise InvalidStatement(reason=f"its {', '.join(wrong)} is not that of the manifest")


def _store(
    session: Session, principal: Principal, envelope: EntryEnvelope, statement: Publish, content: PackageContent
) -> Submission:
    now = now_utc()
    row = Submission(
        id=secrets.token_hex(8),
        component_id=statement.component,
        version=statement.version,
        digest=statement.digest,
        config=statement.config,
        envelope=as_json(envelope),
        contents=content.digests,
        submitter=principal.account,
        organisation=principal.organisation,
        state=str(SubmissionState.DRAFT),
        submitted_at=now,
        changed_at=now,
    )
    session.add(row)
    session.flush()
    jobs.enqueue(session, CHECK, row.id)
    return row
