"""Changes to the catalog. There is one way in: the changes that the ledger's rules derive from a log entry."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from typing import TypeVar

from sqlalchemy import insert
from sqlmodel import Session, col, select, tuple_

from capmart_core.errors import CapmartError, DigestMismatch, InvalidStatement
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
from capmart_registry.db import before_commit

HIDDEN_STATES = (ReleaseState.QUARANTINED, ReleaseState.TAKEN_DOWN)
"""States in which content is served to nobody but its owner and reviewers."""

_TOUCHED = "capmart_touched_components"
_CHUNK = 500
_T = TypeVar("_T")


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
    known = list(releases)
    _store_ledger(session, known)
    published = [(fact, fact.published) for fact in known if fact.published is not None]
    _store_releases(session, published, wanted)
    touch(session, {fact.component for fact, _ in published})
    tick(session)


def attach_manifest(session: Session, config: str, data: bytes) -> None:
    """Store one manifest; see :func:`attach_manifests`.

    Raises:
        DigestMismatch: it is something else.
        InvalidManifest: it is none.
        InvalidStatement: it contradicts what its publisher signed about a release.
    """
    for error in attach_manifests(session, {config: data}).values():
        raise error


def attach_manifests(session: Session, bodies: Mapping[str, bytes]) -> dict[str, CapmartError]:
    """Store the manifests of releases that the ledger already has, and show them.

    Args:
        session: in its write transaction.
        bodies: the manifests' canonical JSON, from anywhere, by the digests that the publishers' statements name.

    Returns:
        for each that is refused and not stored, why: ``DigestMismatch``, ``InvalidManifest`` or ``InvalidStatement``.
    """
    releases: dict[str, list[Release]] = {}
    stored: set[str] = set()
    for configs in _chunks(bodies):
        for release in session.exec(select(Release).where(col(Release.config).in_(configs))):
            releases.setdefault(release.config, []).append(release)
        stored.update(session.exec(select(ManifestBody.digest).where(col(ManifestBody.digest).in_(configs))))
    refused: dict[str, CapmartError] = {}
    new: list[dict[str, object]] = []
    for config, data in bodies.items():
        try:
            if digest_of(data) != config:
                raise DigestMismatch(what="manifest", expected=config, actual=digest_of(data))
            manifest = parse_manifest(data)
            for release in releases.get(config, ()):
                check_manifest(manifest, release)
        except CapmartError as error:
            refused[config] = error
            continue
        if config not in stored:
            new.append({"digest": config, "data": data})
        touch(session, {release.component_id for release in releases.get(config, ())})
    if new:
        session.execute(insert(ManifestBody), new)
    return refused


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
    touch(session, {release.component_id})


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


def touch(session: Session, component_ids: Collection[str]) -> None:
    """Let these components say, once the transaction has made all its changes, what their best releases say.

    The best release is the one in the mildest state; among those, a release before a pre-release, then the highest.
    """
    session.info.setdefault(_TOUCHED, set()).update(component_ids)
    before_commit(session, _TOUCHED, lambda: _refresh(session, session.info.pop(_TOUCHED)))


def _refresh(session: Session, component_ids: Collection[str]) -> None:
    revision = tick(session, len(component_ids)) - len(component_ids)
    for ids in _chunks(sorted(component_ids)):
        found = select(Release).where(
            col(Release.component_id).in_(ids),
            Release.wanted,
            col(Release.config).in_(select(ManifestBody.digest)),
        )
        best: dict[str, Release] = {}
        for release in session.exec(found):
            known = best.get(release.component_id)
            best[release.component_id] = release if known is None else max(known, release, key=_rank)
        manifests = manifests_of(session, [release.config for release in best.values()])
        for component in session.exec(select(Component).where(col(Component.id).in_(ids)).order_by(Component.id)):
            revision += 1
            component.revision = revision
            _show(component, best.get(component.id), manifests)
    session.flush()


def _show(component: Component, best: Release | None, manifests: Mapping[str, bytes]) -> None:
    component.latest = None if best is None else best.version
    if best is None:
        return
    manifest = json.loads(manifests[best.config])  # was verified and read before it was stored
    component.state = best.state
    component.kind = best.kind
    component.listed_at = best.listed_at
    component.delivery = manifest["delivery"]["type"]
    component.title_zh, component.title_en = _both(manifest["title"])
    component.summary_zh, component.summary_en = _both(manifest["summary"])
    component.provider_zh, component.provider_en = _both(manifest["provider"]["name"])
    component.taxonomy = manifest["taxonomy"]


def _rank(release: Release) -> tuple[int, bool, str]:
    strictness = ReleaseState(release.state).strictness
    stable = parse_version(release.version).prerelease is None
    return -strictness, stable, release.sort_key


def _store_ledger(session: Session, facts: Sequence[ReleaseFact]) -> None:
    for part in _chunks(facts):
        places = tuple_(col(LedgerRelease.component_id), col(LedgerRelease.version))
        found = session.exec(select(LedgerRelease).where(places.in_([(fact.component, fact.version) for fact in part])))
        rows = {(row.component_id, row.version): row for row in found}
        new: list[dict[str, object]] = []
        for fact in part:
            row = rows.get((fact.component, fact.version))
            if row is not None:
                row.fact = encode_release(fact)
                continue
            namespace = fact.component.partition("/")[0]
            place = {"component_id": fact.component, "version": fact.version, "namespace": namespace}
            new.append({**place, "fact": encode_release(fact)})
        session.flush()
        if new:
            session.execute(insert(LedgerRelease), new)


def _store_releases(
    session: Session,
    facts: Sequence[tuple[ReleaseFact, ReleasePublished]],
    wanted: Callable[[ReleasePublished], bool],
) -> None:
    """Make the rows of releases say what their facts say."""
    for part in _chunks(facts):
        components = {fact.component: published for fact, published in part}
        there = set(session.exec(select(Component.id).where(col(Component.id).in_(components))))
        new: list[dict[str, object]] = [
            {
                "id": component,
                "namespace": published.namespace,
                "home": published.origin,
                "kind": published.kind,
                "state": str(ReleaseState.LISTED),
                "taxonomy": {},
                "revision": 0,
            }
            for component, published in components.items()
            if component not in there
        ]
        if new:
            session.execute(insert(Component), new)
        places = tuple_(col(Release.component_id), col(Release.version))
        found = session.exec(select(Release).where(places.in_([(fact.component, fact.version) for fact, _ in part])))
        rows = {(row.component_id, row.version): row for row in found}
        for fact, published in part:
            row = rows.get((fact.component, fact.version)) or _new_release(fact, published, wanted=wanted(published))
            _judge(row, fact)
            session.add(row)
        session.flush()


def _new_release(fact: ReleaseFact, published: ReleasePublished, *, wanted: bool) -> Release:
    return Release(
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
        wanted=wanted,
    )


def _judge(release: Release, fact: ReleaseFact) -> None:
    verdict = fact.verdict
    release.state = str(fact.state)
    release.reason_zh = verdict.reason.zh if verdict and verdict.reason else None
    release.reason_en = verdict.reason.en if verdict and verdict.reason else None
    release.replacement = verdict.replacement if verdict else None
    release.deadline = verdict.deadline if verdict else None


def tick(session: Session, count: int = 1) -> int:
    """Move the catalog's clock by ``count`` and return it.

    Write transactions follow one another, so revisions appear in order.
    """
    clock = session.get(CatalogClock, 1) or CatalogClock(id=1, revision=0)
    clock.revision += count
    session.add(clock)
    session.flush()
    return clock.revision


def _both(text: dict[str, str]) -> tuple[str, str]:
    return text["zh"], text["en"]


def _chunks(values: Iterable[_T]) -> Iterator[list[_T]]:
    """The values in pieces that fit into one question to the database."""
    rest = iter(values)
    while part := list(islice(rest, _CHUNK)):
        yield part
