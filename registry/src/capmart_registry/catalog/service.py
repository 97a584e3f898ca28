"""Changes to the catalog. There is one way in: the changes that the ledger's rules derive from a log entry."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict

from sqlmodel import Session, col, select

from capmart_core.errors import DigestMismatch, InvalidStatement
from capmart_core.identifiers import digest_of
from capmart_core.ledger import (
    Change,
    KeyFact,
    NamespaceFact,
    Overlay,
    ReleaseFact,
    ReleasePublished,
    ReleaseState,
    encode_release,
)
from capmart_core.manifest.models import Manifest
from capmart_core.statements import Entry
from capmart_core.versions import parse_version
from capmart_registry.catalog.ledger_view import DatabaseLedger
from capmart_registry.catalog.manifests import parse_manifest
from capmart_registry.catalog.models import (
    CatalogClock,
    Component,
    LedgerKey,
    LedgerNamespace,
    LedgerRelease,
    ManifestBody,
    Release,
    ReleaseContent,
)
from capmart_registry.catalog.versions import sort_key

HIDDEN_STATES = (ReleaseState.QUARANTINED, ReleaseState.TAKEN_DOWN)
"""States in which content is served to nobody but its owner and reviewers."""


def apply_changes(session: Session, origin: str, index: int, entry: Entry, changes: Iterable[Change]) -> None:
    """Make the catalog say what an entry says, inside the transaction that stores the entry.

    The one path for entries of this center's own log and of every log it follows.

    Args:
        session: in its write transaction.
        origin: of the log that has the entry.
        index: of the entry in it.
        entry: the entry, already judged by :func:`capmart_core.ledger.interpret`.
        changes: what follows from it.
    """
    del origin, index, entry  # every change names its log, its index and when it was accepted
    overlay = Overlay(DatabaseLedger(session))
    overlay.apply(changes)
    store_facts(session, overlay.namespaces.values(), overlay.keys.values(), overlay.changed.values())


def store_facts(
    session: Session,
    namespaces: Iterable[NamespaceFact],
    keys: Iterable[KeyFact],
    releases: Iterable[ReleaseFact],
    *,
    wanted: Callable[[ReleasePublished], bool] = lambda _: True,
) -> None:
    """Write facts as they are after some entries, and let the catalog say what follows from them.

    Args:
        session: in its write transaction.
        namespaces: those that changed.
        keys: likewise.
        releases: likewise.
        wanted: whether a release that was not known before is let into this catalog (the filters of an upstream).
    """
    for space in namespaces:
        session.merge(
            LedgerNamespace(
                namespace=space.namespace,
                home=space.home,
                organisation=space.organisation,
                log_index=space.granted_index,
            )
        )
    for key in keys:
        session.merge(LedgerKey(**asdict(key)))
    changed: set[str] = set()
    for fact in releases:
        namespace = fact.component.partition("/")[0]
        session.merge(
            LedgerRelease(
                component_id=fact.component, version=fact.version, namespace=namespace, fact=encode_release(fact)
            )
        )
        if fact.published is not None:
            _store_release(session, fact, fact.published, wanted)
            changed.add(fact.component)
    for component_id in sorted(changed):
        refresh_component(session, component_id)
    tick(session)


def attach_manifest(session: Session, config: str, data: bytes) -> Manifest:
    """Store the manifest of releases that the ledger already has, and show them.

    Args:
        session: in its write transaction.
        config: digest that the publisher's statement names.
        data: the manifest's canonical JSON, from anywhere.

    Raises:
        DigestMismatch: it is something else.
        InvalidManifest: it is none.
        InvalidStatement: it contradicts what its publisher signed about a release.
    """
    if digest_of(data) != config:
        raise DigestMismatch(what="manifest", expected=config, actual=digest_of(data))
    manifest = parse_manifest(data)
    releases = list(session.exec(select(Release).where(Release.config == config)))
    for release in releases:
        check_manifest(manifest, release)
    if session.get(ManifestBody, config) is None:
        session.add(ManifestBody(digest=config, data=data))
        session.flush()
    for component_id in sorted({release.component_id for release in releases}):
        refresh_component(session, component_id)
    return manifest


def check_manifest(manifest: Manifest, release: Release) -> None:
    """Refuse a manifest that says other than what its publisher signed about ``release``.

    Raises:
        InvalidStatement: a field differs; names it.
    """
    told = (
        ("id", manifest.id, release.component_id),
        ("version", manifest.version, release.version),
        ("kind", manifest.kind, release.kind),
        ("taxonomy.industries", list(manifest.taxonomy.industries), list(release.industries)),
        ("taxonomy.scenarios", list(manifest.taxonomy.scenarios), list(release.scenarios)),
    )
    wrong = [name for name, said, signed in told if said != signed]
    if wrong:
        raise InvalidStatement(reason=f"its {', '.join(wrong)} is not that of the manifest")


def set_content(session: Session, release: Release, digests: Iterable[str]) -> None:
    """Say which digests make up a release and that all of them lie in this center's store."""
    assert release.id is not None  # noqa: S101 - rows that were read have one
    known = set(session.exec(select(ReleaseContent.digest).where(ReleaseContent.release_id == release.id)))
    session.add_all(ReleaseContent(release_id=release.id, digest=digest) for digest in sorted(set(digests) - known))
    release.available = True
    session.add(release)
    session.flush()
    refresh_component(session, release.component_id)


def is_public(session: Session, repo: str, digest: str) -> bool:
    """Whether everybody may read ``digest`` in the repository ``repo`` (``namespace/name``).

    It may, when it is content of a release that is neither quarantined nor taken down.
    """
    found = (
        select(ReleaseContent.digest)
        .join(Release, col(Release.id) == col(ReleaseContent.release_id))
        .where(
            ReleaseContent.digest == digest,
            Release.component_id == repo,
            col(Release.state).not_in(HIDDEN_STATES),
        )
        .limit(1)
    )
    return session.exec(found).first() is not None


def public_versions(session: Session, repo: str) -> list[str]:
    """Versions of ``repo`` whose content everybody may read; their tags may be listed."""
    found = select(Release.version).where(
        Release.component_id == repo, Release.available, col(Release.state).not_in(HIDDEN_STATES)
    )
    return sorted(session.exec(found), key=parse_version)


def manifests_of(session: Session, configs: Sequence[str]) -> dict[str, bytes]:
    """The manifests that are here, by digest; for the log's stream of bodies."""
    rows = session.exec(select(ManifestBody).where(col(ManifestBody.digest).in_(set(configs))))
    return {row.digest: row.data for row in rows}


def refresh_component(session: Session, component_id: str) -> None:
    """Let the component say what its best release says: the mildest state first, then releases before pre-releases."""
    component = session.get_one(Component, component_id)
    releases = session.exec(select(Release).where(Release.component_id == component_id, Release.wanted))
    shown = [release for release in releases if session.get(ManifestBody, release.config) is not None]
    best = max(shown, key=_rank, default=None)
    component.latest = None if best is None else best.version
    if best is not None:
        body = session.get_one(ManifestBody, best.config)
        manifest = json.loads(body.data)  # was verified and read before it was stored
        component.state = best.state
        component.kind = best.kind
        component.listed_at = best.listed_at
        component.delivery = manifest["delivery"]["type"]
        component.title_zh, component.title_en = _both(manifest["title"])
        component.summary_zh, component.summary_en = _both(manifest["summary"])
        component.provider_zh, component.provider_en = _both(manifest["provider"]["name"])
        component.taxonomy = manifest["taxonomy"]
    component.revision = tick(session)
    session.add(component)
    session.flush()


def _rank(release: Release) -> tuple[int, bool, str]:
    strictness = ReleaseState(release.state).strictness
    stable = parse_version(release.version).prerelease is None
    return -strictness, stable, release.sort_key


def _store_release(
    session: Session, fact: ReleaseFact, published: ReleasePublished, wanted: Callable[[ReleasePublished], bool]
) -> None:
    """Make the row of a release say what its fact says."""
    if session.get(Component, fact.component) is None:
        session.add(
            Component(
                id=fact.component,
                namespace=published.namespace,
                home=published.origin,
                kind=published.kind,
                state=fact.state,
                revision=0,
            )
        )
        session.flush()
    found = select(Release).where(Release.component_id == fact.component, Release.version == fact.version)
    release = session.exec(found).first() or Release(
        component_id=fact.component,
        version=fact.version,
        sort_key=sort_key(parse_version(fact.version)),
        home=published.origin,
        digest=published.digest,
        config=published.config,
        kind=published.kind,
        industries=list(published.industries),
        scenarios=list(published.scenarios),
        state=fact.state,
        keyid=published.keyid,
        log_index=published.index,
        listed_at=published.accepted,
        report=published.report,
        wanted=wanted(published),
    )
    verdict = fact.verdict
    release.state = str(fact.state)
    release.reason_zh = verdict.reason.zh if verdict and verdict.reason else None
    release.reason_en = verdict.reason.en if verdict and verdict.reason else None
    release.replacement = verdict.replacement if verdict else None
    release.deadline = verdict.deadline if verdict else None
    session.add(release)
    session.flush()


def tick(session: Session) -> int:
    """Move the catalog's clock and return it.

    Its row stays locked until the transaction ends, so that revisions appear in order.
    """
    clock = session.exec(select(CatalogClock).where(CatalogClock.id == 1).with_for_update()).first()
    clock = clock or CatalogClock(id=1, revision=0)
    clock.revision += 1
    session.add(clock)
    session.flush()
    return clock.revision


def _both(text: dict[str, str]) -> tuple[str, str]:
    return text["zh"], text["en"]
