"""The follower: one log, from one source, into one store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from capmart_core.errors import (
    CenterUnavailable,
    DigestMismatch,
    FingerprintMismatch,
    LogCorrupt,
    NotFound,
    NotInLog,
    Refused,
    StateConflict,
)
from capmart_core.identifiers import digest_of
from capmart_core.ledger import Overlay, ReleasePublished, Verdict, judge
from capmart_core.log import LogKey, inclusion_proof, leaf_hash, open_checkpoint, verify_inclusion
from capmart_core.signing import PublicKey
from capmart_core.times import now_utc
from capmart_sdk.follow.ports import Batch, FollowStore, LogSource, LogState
from capmart_sdk.follow.verify import Evidence, LogVerifier, check_age, check_progress, tile_reader

BATCH_SIZE = 1000
_BODY_GAP = 16
_ATTEMPTS = 5


class Follower:
    """Follows one log. Nothing of it is applied before it is verified; everything applied is applied once.

    Killed at any point and started again, it goes on where the store says that it was.

    Args:
        origin: of the log.
        key: the log's key, trusted by other means.
        source: who serves the log; not trusted.
        store: what keeps the outcome, and gives the view that entries are judged against.
        max_age: the most that a checkpoint's date may lie back; None where staleness is judged by others (a bundle).
        batch_size: the most entries that one transaction applies.
        clock: gives the current time, UTC.
    """

    def __init__(
        self,
        origin: str,
        key: PublicKey,
        source: LogSource,
        store: FollowStore,
        max_age: timedelta | None = timedelta(hours=24),
        *,
        batch_size: int = BATCH_SIZE,
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        self._origin = origin
        self._key = key
        self._source = source
        self._store = store
        self._max_age = max_age
        self._batch_size = batch_size
        self._clock = clock

    def poll(self, wait: float = 0.0) -> Batch:
        """Fetch, verify and commit the next batch.

        Args:
            wait: seconds to wait for a new entry when there is none; a batch without entries is the answer then.

        Returns:
            What was committed; ``remaining`` says how many entries the checkpoint still covers.

        Raises:
            LogRollback, LogFork: refused; nothing was applied, an alarm was kept, and both checkpoints as evidence.
            LogFrozen, LogCorrupt, ClockWrong, SignatureInvalid, DigestMismatch, FingerprintMismatch: refused; nothing
                was applied, an alarm was kept.
            CenterUnavailable, Busy: try again later.
            StoreFull: make room, then try again.
            StateConflict: others write to the store all the time.
        """
        for _ in range(_ATTEMPTS):
            try:
                return self._poll(wait)
            except StateConflict as error:  # somebody else wrote to the store meanwhile: again, on what is known now
                conflict = error
            except Refused as error:
                self._store.alarm(self._origin, error)
                raise
        raise conflict

    def sync(self, progress: Callable[[Batch], None] | None = None) -> LogState:
        """Poll until everything that the newest checkpoint covers is applied.

        Args:
            progress: called after each batch.
        """
        while True:
            batch = self.poll()
            if progress is not None:
                progress(batch)
            if batch.remaining == 0:
                return batch.state

    def _poll(self, wait: float) -> Batch:
        state = self._store.state(self._origin) or LogState(self._origin, self._key)
        if state.key != self._key:
            raise FingerprintMismatch(origin=self._origin, actual=self._key.fingerprint, expected=state.key.fingerprint)
        newer = self._newer(state)
        entries: Sequence[bytes] = ()
        if newer.size == state.cursor and wait > 0:
            entries = self._source.entries(state.cursor, self._batch_size, wait)
            if entries:
                newer = self._newer(state)
        wanted = min(newer.size - state.cursor, self._batch_size)
        if wanted and not entries:
            entries = self._source.entries(state.cursor, wanted)
            if not entries:
                reason = f"its checkpoint covers {newer.size} entries, but it does not serve entry {state.cursor}"
                raise CenterUnavailable(center=self._source.name, reason=reason)
        return self._commit(state, newer, entries[:wanted])

    def _newer(self, state: LogState) -> LogState:
        """The state with the checkpoint that is served now, its signature, progress and age checked."""
        note = self._source.checkpoint()
        served, at = open_checkpoint(note, LogKey(self._origin, self._key))
        evidence = Evidence(self._store.evidence(self._origin))
        check_progress(state, served, note, evidence)
        check_age(self._origin, at, self._clock(), self._max_age)
        LogVerifier(state, served, note, self._source, evidence).check_known()
        if served.size == state.size and state.at is not None and at < state.at:
            return state  # the same log, dated earlier than what is known: a relay that lags behind
        return replace(state, checkpoint=note, size=served.size, root=served.root, at=at)

    def _commit(self, state: LogState, newer: LogState, entries: Sequence[bytes]) -> Batch:
        if entries:
            served, _ = open_checkpoint(newer.checkpoint, LogKey(self._origin, self._key))
            evidence = Evidence(self._store.evidence(self._origin))
            verifier = LogVerifier(state, served, newer.checkpoint, self._source, evidence)
            newer = replace(newer, frontier=verifier.extend(entries))
        batch = self._judged(state, newer, entries)
        published = [change for change in batch.changes if isinstance(change, ReleasePublished)]
        batch = replace(batch, bodies=self._bodies([change for change in published if self._store.wants(change)]))
        if newer != state:
            self._store.apply(batch)
        return batch

    def _judged(self, state: LogState, newer: LogState, entries: Sequence[bytes]) -> Batch:
        revision = self._store.revision()
        overlay = Overlay(self._store)
        verdicts: list[Verdict] = []
        for index, data in enumerate(entries, start=state.cursor):
            verdict = judge(self._origin, self._key, index, data, overlay)
            overlay.apply(verdict.changes)
            verdicts.append(verdict)
        return Batch(
            start=state.cursor,
            state=newer,
            revision=revision,
            verdicts=tuple(verdicts),
            namespaces=tuple(overlay.namespaces.values()),
            keys=tuple(overlay.keys.values()),
            releases=tuple(overlay.changed.values()),
        )

    def _bodies(self, wanted: Sequence[ReleasePublished]) -> dict[str, bytes]:
        """The manifests of these releases, verified; fetched in runs of neighbours."""
        configs = {change.index: change.config for change in wanted}
        bodies: dict[str, bytes] = {}
        for start, end in _runs(sorted(configs)):
            place = start
            while place < end:
                found = self._source.bodies(place, end - place)
                if not found:
                    reason = f"it does not serve the manifests of entries {place} to {end - 1}"
                    raise CenterUnavailable(center=self._source.name, reason=reason)
                for index, body in enumerate(found, start=place):
                    config = configs.get(index)
                    if config is None or body is None:
                        continue
                    if digest_of(body) != config:
                        raise DigestMismatch(
                            what=f"the manifest of entry {index} of {self._origin}",
                            expected=config,
                            actual=digest_of(body),
                        )
                    bodies[config] = body
                place += len(found)
        return bodies


def prove_inclusion(source: LogSource, state: LogState, index: int) -> tuple[bytes, list[bytes]]:
    """Fetch an entry and the proof that the known checkpoint covers it.

    Args:
        source: who serves the log; not trusted.
        state: a followed log, from a store.
        index: of the entry.

    Returns:
        The leaf, and its inclusion proof in the tree of ``state.size`` leaves (RFC 6962, section 2.1.1).

    Raises:
        NotInLog: the checkpoint covers no such entry.
        LogCorrupt: what the source serves does not lead to the signed root.
    """
    if not 0 <= index < state.size:
        raise NotInLog(what=f"entry {index}", origin=state.origin)
    entries = source.entries(index, 1)
    reason = f"{source.name}: it does not prove entry {index}"
    if not entries:
        raise LogCorrupt(origin=state.origin, reason=reason)
    for widest in (False, True):
        reader = tile_reader(source, state.size, widest=widest)
        try:
            proof = inclusion_proof(index, state.size, reader)
        except (NotFound, ValueError):
            continue
        if verify_inclusion(index, state.size, leaf_hash(entries[0]), proof, state.root):
            return entries[0], proof
    raise LogCorrupt(origin=state.origin, reason=reason)


def _runs(indexes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Ranges that cover the indexes; a short gap costs less than another request."""
    start = end = -1
    for index in indexes:
        if start < 0:
            start = index
        elif index - end > _BODY_GAP:
            yield start, end
            start = index
        end = index + 1
    if start >= 0:
        yield start, end
