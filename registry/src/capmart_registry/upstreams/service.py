"""Upstreams: adding them, following them, and saying how that goes."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Self
from urllib.parse import quote

from sqlmodel import Session, col, func, select

from capmart_core.errors import CapmartError, FingerprintMismatch, InvalidRequest, NotFound, OriginNotTrusted
from capmart_core.signing import PublicKey
from capmart_core.text import Text
from capmart_core.times import now_utc
from capmart_registry.catalog.models import ManifestBody, Release
from capmart_registry.catalog.service import attach_manifest, touch
from capmart_registry.center import Center
from capmart_registry.submissions import jobs
from capmart_registry.upstreams.filters import EVERYTHING, Filters
from capmart_registry.upstreams.mirror import mirror_missing, missing
from capmart_registry.upstreams.models import FollowedLog, RefusedEntry, Upstream
from capmart_registry.upstreams.store import RegistryStore, note_health
from capmart_sdk.client import CenterClient
from capmart_sdk.follow import Batch, Follower, HttpLogSource
from capmart_sdk.trust.offers import Offer, offers

FOLLOW = "follow"
"""Kind of the standing job that follows an upstream."""

Policy = Literal["metadata", "full"]
MAX_AGE = timedelta(hours=24)
_BACKFILL = 100


@dataclass(frozen=True)
class UpstreamStatus:
    """An upstream and how following it goes.

    Attributes:
        size: entries that its newest verified checkpoint covers.
        cursor: entries applied here.
        at: the date of that checkpoint.
        releases: that this catalog shows of it.
        missing: of these, how many are not mirrored yet; always 0 under policy ``metadata``.
        refused: entries that do not count.
        error: why the last attempt failed; None since it went well.
    """

    origin: str
    url: str
    fingerprint: str
    policy: str
    filters: Filters
    size: int
    cursor: int
    at: datetime | None
    releases: int
    missing: int
    refused: int
    last_ok: datetime | None
    error_code: str | None
    error: Text | None


@dataclass(frozen=True)
class SyncResult:
    """What one sync brought.

    Attributes:
        entries: applied now.
        refused: of these, how many do not count.
        mirrored: releases whose content became complete.
        missing: releases whose content is still not complete.
    """

    origin: str
    entries: int
    refused: int
    mirrored: int
    missing: int


def look(url: str, origin: str | None = None) -> Offer:
    """What the center at ``url`` says of the log that could be followed there; nothing is trusted yet.

    Args:
        url: of the center.
        origin: of a log that it relays; None for its own.

    Raises:
        CenterUnavailable: no center answers.
        NotFound: it does not serve that log.
    """
    with CenterClient(url) as client:
        served = offers(client.about(), url=client.url)
    found = next((one for one in served if (one.own if origin is None else one.origin == origin)), None)
    if found is None:
        raise NotFound(what=f"log of {origin} at {url}")
    return found


def add(
    center: Center,
    url: str,
    *,
    fingerprint: str,
    origin: str | None = None,
    filters: Filters = EVERYTHING,
    policy: Policy = "full",
) -> Upstream:
    """Follow a center's log from now on; adding it again changes its address, filters and policy.

    Args:
        center: this center.
        url: address of the other one, or of a relay.
        fingerprint: of the log's key, compared by other means.
        origin: of a log that is relayed there; None for the center's own.
        filters: what is let into this catalog.
        policy: ``metadata`` or ``full``.

    Raises:
        OriginNotTrusted, FingerprintMismatch: the key is not the one expected.
        InvalidRequest: the log is this center's own, or a filter names an unknown code.
        CenterUnavailable, NotFound: there is no such log.
    """
    filters.check()
    offer = look(url, origin)
    if offer.origin == center.origin:
        raise InvalidRequest(where="url", reason=f"{offer.origin} is this center itself")
    actual = offer.key.fingerprint
    if not fingerprint:
        raise OriginNotTrusted(origin=offer.origin, fingerprint=actual, url=url)
    if fingerprint != actual:
        raise FingerprintMismatch(origin=offer.origin, actual=actual, expected=fingerprint)
    with center.db.write() as session:
        row = session.get(Upstream, offer.origin)
        if row is not None and row.key != str(offer.key):
            known = PublicKey.parse(row.key).fingerprint
            raise FingerprintMismatch(origin=offer.origin, actual=actual, expected=known)
        row = row or Upstream(
            origin=offer.origin, url=url, log_path="", key=str(offer.key), policy=policy, added=now_utc(), edition=""
        )
        row.url, row.policy, row.edition = url.rstrip("/"), policy, secrets.token_hex(8)
        row.log_path = quote(offer.log)
        row.kinds, row.industries = list(filters.kinds), list(filters.industries)
        row.scenarios, row.namespaces = list(filters.scenarios), list(filters.namespaces)
        session.add(row)
        session.flush()
        _filter_again(session, row)
        jobs.enqueue(session, FOLLOW, row.origin)
    return row


def remove(center: Center, origin: str) -> None:
    """Follow it no longer. What was learnt and mirrored stays.

    Raises:
        NotFound: it is no upstream.
    """
    with center.db.write() as session:
        session.delete(_row(session, origin))


def statuses(session: Session) -> list[UpstreamStatus]:
    """Every upstream and how following it goes, by origin."""
    return [_status(session, row) for row in session.exec(select(Upstream).order_by(col(Upstream.origin)))]


def origins(session: Session) -> list[str]:
    """The origins of all upstreams."""
    return sorted(session.exec(select(Upstream.origin)))


def refusals(session: Session, origin: str | None = None, *, limit: int = 100) -> list[RefusedEntry]:
    """Logged entries that do not count, and why; the latest first."""
    found = select(RefusedEntry).order_by(col(RefusedEntry.origin), col(RefusedEntry.log_index).desc()).limit(limit)
    return list(session.exec(found if origin is None else found.where(RefusedEntry.origin == origin)))


def sync(
    center: Center,
    origin: str,
    *,
    progress: Callable[[Batch], None] | None = None,
    stop: threading.Event | None = None,
) -> SyncResult:
    """Follow an upstream to its newest checkpoint and, under policy ``full``, mirror what is missing.

    Raises:
        NotFound: it is no upstream.
        CapmartError: it cannot be followed now, or was refused; kept as its health.
    """
    with Following(center, origin) as following:
        return following.catch_up(progress, stop or threading.Event())


class Following:
    """One upstream with its connections; closing it gives them back.

    Raises:
        NotFound: it is no upstream.
    """

    def __init__(self, center: Center, origin: str) -> None:
        self._center = center
        with center.db.read() as session:
            self.upstream = _row(session, origin)
        self._client = CenterClient(self.upstream.url)
        self._source = HttpLogSource(f"{self.upstream.url}{self.upstream.log_path}")
        store = RegistryStore(center, Filters.of(self.upstream))
        key = PublicKey.parse(self.upstream.key)
        self._follower = Follower(origin, key, self._source, store, MAX_AGE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._source.close()
        self._client.close()

    def is_current(self) -> bool:
        """Whether address, filters and policy are still those that this was made with.

        Raises:
            NotFound: it is no upstream any more.
        """
        with self._center.db.read() as session:
            return _row(session, self.upstream.origin).edition == self.upstream.edition

    def catch_up(
        self, progress: Callable[[Batch], None] | None, stop: threading.Event, *, wait: float = 0.0
    ) -> SyncResult:
        """Apply everything new, fetch manifests that are still missing, then mirror.

        Args:
            progress: called after each batch.
            stop: ends it early.
            wait: seconds to wait for something new when there is nothing.
        """
        origin = self.upstream.origin
        entries = refused = mirrored = 0
        try:
            while not stop.is_set():
                batch = self._follower.poll(0.0 if entries else wait)
                entries += len(batch.verdicts)
                refused += sum(1 for verdict in batch.verdicts if verdict.refusal is not None)
                if progress is not None:
                    progress(batch)
                if batch.remaining == 0:
                    break
            self._backfill()
            if self.upstream.policy == "full":
                mirrored = mirror_missing(self._center, self.upstream, self._client, stop)
        except CapmartError as error:
            with self._center.db.write() as session:
                note_health(session, origin, error)
            raise
        with self._center.db.write() as session:
            note_health(session, origin, None)
            left = len(missing(session, origin, due_only=False)) if self.upstream.policy == "full" else 0
        return SyncResult(origin, entries, refused, mirrored, left)

    def _backfill(self) -> None:
        """Fetch manifests that the filters let in only now, or that the source did not have before."""
        with self._center.db.read() as session:
            found = (
                select(Release)
                .outerjoin(ManifestBody, col(ManifestBody.digest) == col(Release.config))
                .where(
                    Release.home == self.upstream.origin,
                    Release.wanted,
                    col(ManifestBody.digest).is_(None),
                    Release.state != "taken_down",
                )
                .order_by(col(Release.log_index))
                .limit(_BACKFILL)
            )
            releases = list(session.exec(found))
        for release in releases:
            data = next(iter(self._source.bodies(release.log_index, 1)), None)
            if data is None:
                continue
            with self._center.db.write() as session:
                try:
                    with session.begin_nested():
                        attach_manifest(session, release.config, data)
                except CapmartError as error:
                    session.merge(
                        RefusedEntry(
                            origin=release.home,
                            log_index=release.log_index,
                            component=release.component_id,
                            version=release.version,
                            code=error.code,
                            zh=error.message("zh"),
                            en=error.message("en"),
                        )
                    )


def _filter_again(session: Session, row: Upstream) -> None:
    """Show what the filters let in now and hide the rest; nothing is deleted."""
    filters = Filters.of(row)
    changed: set[str] = set()
    for release in session.exec(select(Release).where(Release.home == row.origin)):
        namespace = release.component_id.partition("/")[0]
        wanted = filters.fits(release.kind, tuple(release.industries), tuple(release.scenarios), namespace)
        if wanted != release.wanted:
            release.wanted = wanted
            session.add(release)
            changed.add(release.component_id)
    session.flush()
    touch(session, changed)


def _row(session: Session, origin: str) -> Upstream:
    row = session.get(Upstream, origin)
    if row is None:
        raise NotFound(what=f"upstream {origin[:300]}")
    return row


def _status(session: Session, row: Upstream) -> UpstreamStatus:
    followed = session.get(FollowedLog, row.origin)
    shown = select(func.count()).select_from(Release).where(Release.home == row.origin, Release.wanted)
    refused = select(func.count()).select_from(RefusedEntry).where(RefusedEntry.origin == row.origin)
    error = None
    if row.last_error_zh and row.last_error_en:
        error = Text(zh=row.last_error_zh, en=row.last_error_en)
    return UpstreamStatus(
        origin=row.origin,
        url=row.url,
        fingerprint=PublicKey.parse(row.key).fingerprint,
        policy=row.policy,
        filters=Filters.of(row),
        size=0 if followed is None else followed.size,
        cursor=0 if followed is None else followed.cursor,
        at=None if followed is None else followed.at,
        releases=int(session.exec(shown).one()),
        missing=len(missing(session, row.origin, due_only=False, limit=10_000)) if row.policy == "full" else 0,
        refused=int(session.exec(refused).one()),
        last_ok=row.last_ok,
        error_code=row.last_error,
        error=error,
    )
