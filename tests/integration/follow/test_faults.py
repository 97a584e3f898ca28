"""The faults of catalog sync, injected for real: bytes are flipped, old files served, disks filled."""

from __future__ import annotations

import dataclasses
import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from capmart_core.errors import (
    CapmartError,
    CenterUnavailable,
    ClockWrong,
    DigestMismatch,
    FingerprintMismatch,
    LogCorrupt,
    LogFork,
    LogFrozen,
    LogRollback,
    NotInLog,
    SignatureInvalid,
    StateConflict,
    StoreFull,
)
from capmart_core.identifiers import digest_of
from capmart_core.ledger import ReleasePublished, ReleaseState
from capmart_core.log import encode_entry, leaf_hash, verify_inclusion
from capmart_core.signing import Ed25519Signer, sign_payload
from capmart_core.statements import STATEMENT_TYPE
from capmart_core.times import now_utc
from capmart_sdk.follow import Batch, Follower, HttpLogSource, LogState, NodeStore, prove_inclusion
from tests.support.simulated_log import ORIGIN, SimulatedLog, entry, flip

MakeFollower = Callable[..., Follower]


def versions(store: NodeStore) -> list[str]:
    return [fact.version for fact in store.versions("acme/tool")]


def state_of(store: NodeStore, origin: str = ORIGIN) -> LogState:
    state = store.state(origin)
    assert state is not None
    return state


def dump(store: NodeStore, path: Path) -> list[str]:
    """Everything the store holds, without the times and counts of alarms."""
    del store
    with sqlite3.connect(path) as db:
        rows = [line for line in db.iterdump() if 'INTO "alarm"' not in line]
    db.close()
    return rows


class Keeping(NodeStore):
    """A store that wants manifests and keeps them, as a center's does."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.bodies: dict[str, bytes] = {}
        self.filter: Callable[[ReleasePublished], bool] = lambda _: True

    def wants(self, published: ReleasePublished) -> bool:
        return self.filter(published)

    def apply(self, batch: Batch) -> None:
        super().apply(batch)
        self.bodies.update(batch.bodies)


def test_given_a_log_when_followed_then_its_releases_are_there_and_more_come_incrementally(
    log: SimulatedLog, follower: MakeFollower, store: NodeStore
) -> None:
    follower().sync()
    assert versions(store) == [f"1.{number}.0" for number in (4, 3, 2, 1, 0)]
    log.publish_many(2, first=5)
    log.say("yank", component="acme/tool", version="1.0.0", seq=2)
    log.sign()
    log.requests.clear()
    assert follower().sync().size == 10
    assert versions(store)[:2] == ["1.6.0", "1.5.0"]
    fact = store.release("acme/tool", "1.0.0")
    assert fact is not None
    assert fact.state is ReleaseState.YANKED
    assert log.requests == ["checkpoint", "entries?start=7&limit=3"]


def test_given_nothing_new_then_a_poll_asks_once_and_changes_nothing(
    log: SimulatedLog, follower: MakeFollower, store: NodeStore
) -> None:
    one = follower()
    one.sync()
    before = state_of(store)
    log.requests.clear()
    batch = one.poll()
    assert (batch.verdicts, batch.remaining) == ((), 0)
    assert log.requests == ["checkpoint"]
    assert state_of(store) == before


def test_given_a_log_signed_anew_then_the_newer_date_is_kept_for_relays(
    log: SimulatedLog, follower: MakeFollower, store: NodeStore
) -> None:
    follower().sync()
    note = log.sign(now_utc() + timedelta(minutes=1))
    follower().poll()
    assert state_of(store).checkpoint == note


def test_given_a_wait_when_an_entry_appears_then_the_poll_returns_with_it(
    log: SimulatedLog, follower: MakeFollower
) -> None:
    one = follower()
    one.sync()

    def later() -> None:
        log.publish_many(1, first=5)
        log.sign()

    timer = threading.Timer(0.2, later)
    timer.start()
    batch = one.poll(wait=20)
    timer.join()
    assert len(batch.verdicts) == 1
    assert one.poll(wait=0.1).verdicts == ()


@pytest.mark.parametrize("batch_size", [1, 3, 7, 300])
def test_given_any_batch_size_then_the_outcome_is_the_same(
    tmp_path: Path, log: SimulatedLog, source: HttpLogSource, batch_size: int
) -> None:
    log.publish_many(600, first=5) if batch_size > 100 else log.publish_many(30, first=5)
    log.sign()
    sizes: list[int] = []
    dumps = []
    for name, size in (("whole", 10_000), ("pieces", batch_size)):
        path = tmp_path / name / "logs.sqlite"
        with NodeStore(path) as store:
            one = Follower(ORIGIN, log.signer.public, source, store, batch_size=size)
            one.sync(lambda batch: sizes.append(len(batch.verdicts)))
            dumps.append([line for line in dump(store, path) if "fact_clock" not in line])
    assert dumps[0] == dumps[1]
    assert max(sizes[1:]) <= batch_size


def test_s2_given_a_batch_applied_twice_then_the_second_time_is_a_no_op(
    tmp_path: Path, log: SimulatedLog, source: HttpLogSource
) -> None:
    batches: list[Batch] = []
    path = tmp_path / "node" / "logs.sqlite"
    with NodeStore(path) as store:
        Follower(ORIGIN, log.signer.public, source, store, batch_size=3).sync(batches.append)
        before = dump(store, path)
        for batch in batches:
            store.apply(batch)
        assert dump(store, path) == before
        skipping = dataclasses.replace(batches[-1], start=99, state=dataclasses.replace(batches[-1].state, size=999))
        with pytest.raises(StateConflict):
            store.apply(skipping)
        assert dump(store, path) == before


# S4: a bit flipped in an entry


@pytest.mark.parametrize("batch_size", [1, 2, 7])
def test_s4_given_one_bit_flipped_in_an_entry_then_nothing_of_its_batch_is_applied(
    log: SimulatedLog, follower: MakeFollower, store: NodeStore, batch_size: int
) -> None:
    log.tamper = lambda path, data: flip(data, len(data) - 20, 3) if path.startswith("entries") else data
    with pytest.raises(LogCorrupt):
        follower(batch_size=batch_size).sync()
    assert store.state(ORIGIN) is None
    assert [alarm.code for alarm in store.alarms(ORIGIN)] == ["log_corrupt"]
    log.tamper = lambda _, data: data
    follower(batch_size=batch_size).sync()
    assert len(versions(store)) == 5


def test_s4_given_any_single_bit_flipped_after_a_first_sync_then_known_rows_stay(
    log: SimulatedLog, follower: MakeFollower, store: NodeStore
) -> None:
    follower().sync()
    before = state_of(store)
    index = log.say("publish", component="acme/tool", version="2.0.0")
    log.sign()
    length = len(log.leaves[index]) + 2
    for place in range(2, length, 37):
        log.tamper = lambda path, data, place=place: flip(data, place, place % 8) if path.startswith("e") else data  # type: ignore[misc]
        with pytest.raises(LogCorrupt):
            follower().poll()
        assert state_of(store) == before
    assert store.release("acme/tool", "2.0.0") is None


# S5: a bit flipped in a manifest


def test_s5_given_one_bit_flipped_in_a_manifest_then_its_digest_refuses_it(
    tmp_path: Path, log: SimulatedLog, follower: MakeFollower
) -> None:
    with Keeping(tmp_path / "logs.sqlite") as store:
        log.tamper = lambda path, data: flip(data, 0) if path.startswith("bodies") else data
        with pytest.raises(DigestMismatch):
            follower(store=store).sync()
        assert store.state(ORIGIN) is None
        log.tamper = lambda _, data: data
        follower(store=store).sync()
        assert store.bodies[digest_of(b"manifest of acme/tool@1.0.0")] == b"manifest of acme/tool@1.0.0"
        assert len(store.bodies) == 5


def test_given_a_filter_then_all_entries_and_only_matching_manifests_are_fetched(
    tmp_path: Path, log: SimulatedLog, follower: MakeFollower
) -> None:
    log.say("publish", component="acme/other", industries=("40",))
    log.sign()
    with Keeping(tmp_path / "logs.sqlite") as store:
        store.filter = lambda published: "40" in published.industries
        follower(store=store).sync()
        assert list(store.bodies.values()) == [b"manifest of acme/other@1.0.0"]
        assert [path for path in log.requests if path.startswith("bodies")] == ["bodies?start=7&limit=1"]
        assert store.release("acme/tool", "1.0.0") is not None


def test_given_a_manifest_that_was_taken_down_then_following_goes_on_without_it(
    tmp_path: Path, log: SimulatedLog, follower: MakeFollower
) -> None:
    log.manifests[3] = None
    with Keeping(tmp_path / "logs.sqlite") as store:
        follower(store=store).sync()
        assert len(store.bodies) == 4
        assert state_of(store).cursor == 7


# S6, S7, S8, S27: checkpoints


def test_s6_given_an_older_checkpoint_then_rollback_is_refused_with_both_notes(
    log: SimulatedLog, follower: MakeFollower, store: NodeStore
) -> None:
    old = log.note
    log.publish_many(3, first=5)
    new = log.sign()
    follower().sync()
    before = state_of(store)
    log.note = old
    with pytest.raises(LogRollback) as caught:
        follower().poll()
    assert caught.value.data["known"] == 10
    evidence = Path(str(caught.value.data["evidence"]))
    assert (evidence / "known.txt").read_bytes() == new
    assert (evidence / "served.txt").read_bytes() == old
    assert state_of(store) == before
    for _ in range(3):
        with pytest.raises(LogRollback):
            follower().poll()
    assert len(list(store.evidence(ORIGIN).iterdir())) == 1
    (alarm,) = store.alarms()
    assert (alarm.code, alarm.times) == ("log_rollback", 4)


def forked(log: SimulatedLog, *, shared: int, more: int) -> SimulatedLog:
    """Another history by the same key: the same first entries, then others."""
    other = SimulatedLog(log.origin, signer=log.signer)
    other.publisher = log.publisher
    for leaf in log.leaves[:shared]:
        other.append(leaf)
    for number in range(more):
        other.say("publish", component="acme/tool", version=f"7.{number}.0")
    other.sign()
    return other


def become(log: SimulatedLog, other: SimulatedLog) -> None:
    log.leaves, log.nodes, log.note, log.manifests = other.leaves, other.nodes, other.note, other.manifests


def test_s7_given_another_root_at_the_same_size_then_the_fork_is_kept_as_evidence(
    log: SimulatedLog, follower: MakeFollower, store: NodeStore
) -> None:
    follower().sync()
    known, before = log.note, state_of(store)
    become(log, forked(log, shared=6, more=1))
    with pytest.raises(LogFork) as caught:
        follower().poll()
    evidence = Path(str(caught.value.data["evidence"]))
    assert (evidence / "known.txt").read_bytes() == known
    assert (evidence / "served.txt").read_bytes() == log.note
    assert state_of(store) == before


@pytest.mark.parametrize("more", [2, 30])
@pytest.mark.parametrize("batch_size", [1, 1000])
def test_s7_given_a_larger_log_with_another_history_then_it_is_a_fork_and_not_mere_damage(
    log: SimulatedLog, follower: MakeFollower, store: NodeStore, more: int, batch_size: int
) -> None:
    follower().sync()
    before = state_of(store)
    become(log, forked(log, shared=6, more=more))
    with pytest.raises(LogFork):
        follower(batch_size=batch_size).poll()
    assert state_of(store) == before


def test_s7_given_a_fork_of_entries_seen_but_not_applied_yet_then_it_is_found(
    log: SimulatedLog, follower: MakeFollower, store: NodeStore
) -> None:
    """The newest checkpoint known covers seven entries, two of them applied; the fork begins between."""
    follower(batch_size=2).poll()
    assert (state_of(store).cursor, state_of(store).size) == (2, 7)
    become(log, forked(log, shared=4, more=20))
    with pytest.raises(LogFork):
        follower(batch_size=2).poll()


def test_s8_given_a_checkpoint_dated_too_long_ago_then_the_freeze_is_told(
    log: SimulatedLog, follower: MakeFollower, store: NodeStore
) -> None:
    follower(max_age=timedelta(hours=1)).sync()
    before = state_of(store)
    late = now_utc() + timedelta(hours=2)
    with pytest.raises(LogFrozen) as caught:
        follower(max_age=timedelta(hours=1), clock=lambda: late).poll()
    assert "clock" in caught.value.advice("en")
    assert state_of(store) == before
    log.sign(late)
    follower(max_age=timedelta(hours=1), clock=lambda: late).poll()
    assert state_of(store).at == late
    follower(max_age=None, clock=lambda: datetime(2036, 1, 1, tzinfo=UTC)).poll()


def test_s27_given_a_clock_a_day_slow_then_the_error_names_it_and_nothing_changes(
    follower: MakeFollower, store: NodeStore
) -> None:
    slow = now_utc() - timedelta(days=1)
    with pytest.raises(ClockWrong, match="this machine's clock"):
        follower(clock=lambda: slow).sync()
    assert store.state(ORIGIN) is None
    follower().sync()
    assert len(versions(store)) == 5


def test_s27_given_a_clock_a_day_fast_then_the_freeze_names_the_clock(follower: MakeFollower) -> None:
    fast = now_utc() + timedelta(days=1)
    with pytest.raises(LogFrozen) as caught:
        follower(max_age=timedelta(hours=1), clock=lambda: fast).sync()
    assert "clock" in caught.value.advice("en")


def test_given_a_checkpoint_by_another_key_then_it_is_refused(
    log: SimulatedLog, follower: MakeFollower, store: NodeStore
) -> None:
    with pytest.raises(SignatureInvalid):
        follower(key=Ed25519Signer.generate().public).sync()
    follower().sync()
    trusted = log.signer.public
    log.signer = Ed25519Signer.generate()
    log.sign()
    with pytest.raises(SignatureInvalid):
        follower(key=trusted).poll()
    with pytest.raises(FingerprintMismatch):
        follower(key=log.signer.public).poll()
    assert state_of(store).cursor == 7


# S12 as far as one source goes: dropped and reordered entries


@pytest.mark.parametrize("batch_size", [3, 1000])
@pytest.mark.parametrize("harm", ["drop", "swap", "repeat", "insert"])
def test_s12_given_entries_dropped_reordered_or_added_then_nothing_is_applied(
    log: SimulatedLog, follower: MakeFollower, store: NodeStore, harm: str, batch_size: int
) -> None:
    served = log.entries

    def harmed(start: int, limit: int, wait: float = 0.0) -> list[bytes]:
        found = served(start, limit + 1, wait)
        changed = {
            "drop": [found[0], *found[2:]],
            "swap": [found[1], found[0], *found[2:]],
            "repeat": [found[0], found[0], *found[1:]],
            "insert": [found[0], b"{}", *found[1:]],
        }[harm]
        return changed[:limit]

    log.entries = harmed  # type: ignore[method-assign]  # the other side misbehaves
    with pytest.raises((LogCorrupt, CenterUnavailable)):
        follower(batch_size=batch_size).sync()
    assert store.state(ORIGIN) is None


# S11, S13–S16, S19, S24, S29: what entries say


def test_s11_s15_s24_s29_given_bad_entries_then_each_is_recorded_with_its_code_and_the_rest_applies(
    log: SimulatedLog, follower: MakeFollower, store: NodeStore
) -> None:
    stranger = Ed25519Signer.generate()
    bad = [
        (log.append(b"not an entry"), "invalid_statement", None),
        (
            log.append(encode_entry(entry(sign_payload(b'{"op":"bless","v":1}', STATEMENT_TYPE, log.signer)))),
            "invalid_statement",
            None,
        ),
        (
            log.append(encode_entry(entry(sign_payload(b"{}", "application/vnd.capmart.receipt.v1+json", stranger)))),
            "invalid_statement",
            None,
        ),
        (log.say("publish", component="acme/tool", version="3.0.0", signer=stranger), "key_not_granted", "3.0.0"),
        (log.say("publish", component="acme/tool", digest=digest_of(b"x"), seq=2), "version_exists", "1.0.0"),
    ]
    index = log.act("key.revoke", namespace="acme", keyid=log.publisher.public.keyid, from_index=len(log.leaves))
    bad.append((log.say("publish", component="acme/tool", version="4.0.0"), "key_revoked", "4.0.0"))
    log.add_key(stranger)
    log.say("publish", component="acme/tool", version="5.0.0", signer=stranger)
    log.sign()
    state = follower(batch_size=4).sync()
    assert state.cursor == len(log.leaves)
    assert [(refusal.index, refusal.code, refusal.version) for refusal in store.refusals()] == bad
    (refused,) = store.refusals("acme/tool", "4.0.0")
    assert refused.data["from_index"] == str(index)
    assert refused.entry == log.leaves[refused.index]
    assert refused.message("zh")
    assert refused.message("zh") != refused.message("en")
    assert {alarm.code for alarm in store.alarms(ORIGIN)} == {code for _, code, _ in bad}
    assert versions(store) == ["5.0.0", "1.4.0", "1.3.0", "1.2.0", "1.1.0", "1.0.0"]
    fact = store.release("acme/tool", "1.0.0")
    assert fact is not None
    assert fact.state is ReleaseState.QUARANTINED  # S13: equivocation


def test_s14_given_a_second_log_that_claims_the_namespace_then_its_higher_version_is_refused(
    log: SimulatedLog, follower: MakeFollower, store: NodeStore
) -> None:
    follower().sync()
    rival = SimulatedLog("rival.example")
    rival.open_namespace("acme")
    rival.say("publish", component="acme/tool", version="99.0.0")
    rival.sign()
    with rival.serving() as url, HttpLogSource(url) as source:
        follower(origin="rival.example", key=rival.signer.public, source=source).sync()
    assert [refusal.code for refusal in store.refusals()] == ["namespace_not_home"] * 3
    assert versions(store)[0] == "1.4.0"
    assert [state.origin for state in store.origins()] == [ORIGIN, "rival.example"]
    space = store.namespace("acme")
    assert space is not None
    assert space.home == ORIGIN


def test_s16_given_stores_that_follow_at_different_times_then_all_end_in_the_same_state(
    tmp_path: Path, log: SimulatedLog, source: HttpLogSource
) -> None:
    early = NodeStore(tmp_path / "early" / "logs.sqlite")
    for op, seq in (("yank", 2), ("unyank", 3), ("yank", 4), ("unyank", 3)):
        log.say(op, component="acme/tool", version="1.0.0", seq=seq)
        log.sign()
        Follower(ORIGIN, log.signer.public, source, early).sync()
    late = NodeStore(tmp_path / "late" / "logs.sqlite")
    Follower(ORIGIN, log.signer.public, source, late).sync()
    assert early.release("acme/tool", "1.0.0") == late.release("acme/tool", "1.0.0")
    fact = late.release("acme/tool", "1.0.0")
    assert fact is not None
    assert fact.state is ReleaseState.YANKED
    assert [refusal.code for refusal in late.refusals()] == ["statement_replayed"]
    early.close()
    late.close()


# S26: tiles from caches


def grown(log: SimulatedLog, size: int) -> None:
    log.publish_many(size - len(log.leaves), first=5)
    log.sign()


def test_s26_given_partial_tiles_that_are_gone_then_the_full_ones_are_used(
    log: SimulatedLog, follower: MakeFollower, store: NodeStore
) -> None:
    grown(log, 520)
    old = log.note
    grown(log, 800)
    log.note = old  # the log has grown on; whoever holds the older checkpoint asks for partial tiles that are gone
    log.missing = lambda path: ".p/" in path and path.startswith("tile/0")
    follower(batch_size=100).poll()
    assert state_of(store).cursor == 100
    assert any(path.startswith("tile/0/002") for path in log.requests)


@pytest.mark.parametrize("kind", ["short", "flipped"])
def test_s26_given_a_stale_partial_tile_from_a_cache_then_the_full_tile_is_fetched_and_verified(
    log: SimulatedLog, follower: MakeFollower, store: NodeStore, kind: str
) -> None:
    grown(log, 520)
    old = log.note
    grown(log, 800)
    log.note = old

    def stale(path: str, data: bytes) -> bytes:
        if ".p/" not in path or not path.startswith("tile/0"):
            return data
        return data[:-32] if kind == "short" else flip(data, 5)

    log.tamper = stale
    follower(batch_size=100).sync()
    assert state_of(store).cursor == 520


@pytest.mark.parametrize("level", ["tile/0", "tile/1"])
def test_given_tiles_that_are_wrong_everywhere_then_the_log_is_corrupt_and_not_forked(
    log: SimulatedLog, follower: MakeFollower, store: NodeStore, level: str
) -> None:
    grown(log, 700)
    follower(batch_size=100).poll()
    log.tamper = lambda path, data: flip(data, len(data) - 1) if path.startswith(level) else data
    with pytest.raises(LogCorrupt, match="tiles"):
        follower(batch_size=100).poll()
    assert state_of(store).cursor == 100


# S30: disk full


def test_s30_given_a_full_disk_then_nothing_is_half_written_and_following_resumes(
    tmp_path: Path, log: SimulatedLog, source: HttpLogSource
) -> None:
    log.publish_many(200, first=5)
    log.sign()
    path = tmp_path / "logs.sqlite"
    with NodeStore(path) as store:
        one = Follower(ORIGIN, log.signer.public, source, store, batch_size=20)
        one.poll()
        pages = store._db.execute("PRAGMA page_count").fetchone()[0]
        store._db.execute(f"PRAGMA max_page_count = {pages + 4}")
        with pytest.raises(StoreFull):
            one.sync()
        stopped = state_of(store).cursor
        assert stopped < len(log.leaves)
        assert len(versions(store)) == max(0, stopped - 2)
        store._db.execute("PRAGMA max_page_count = 1000000")
        one.sync()
        assert len(versions(store)) == 205


# Two at once


def test_given_two_followers_of_one_store_then_both_end_right(
    tmp_path: Path, log: SimulatedLog, source: HttpLogSource
) -> None:
    log.publish_many(150, first=5)
    log.sign()
    path = tmp_path / "logs.sqlite"
    errors: list[CapmartError] = []

    def follow() -> None:
        with NodeStore(path) as store:
            try:
                Follower(ORIGIN, log.signer.public, source, store, batch_size=10).sync()
            except CapmartError as error:
                errors.append(error)

    threads = [threading.Thread(target=follow) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with NodeStore(path) as store:
        assert len(versions(store)) == 155


def test_given_a_fact_changed_beneath_a_batch_then_it_is_judged_again(
    tmp_path: Path, log: SimulatedLog, source: HttpLogSource
) -> None:
    """A rival's claim is judged, then the true home commits first: the claim must not win."""
    rival = SimulatedLog("rival.example")
    rival.open_namespace("acme")
    rival.sign()
    path = tmp_path / "logs.sqlite"

    class Interrupted(NodeStore):
        first = True

        def apply(self, batch: Batch) -> None:
            if self.first:
                self.first = False
                with NodeStore(path) as other:
                    Follower(ORIGIN, log.signer.public, source, other).sync()
            super().apply(batch)

    with Interrupted(path) as store:
        Follower("rival.example", rival.signer.public, rival, store).sync()
        space = store.namespace("acme")
        assert space is not None
        assert space.home == ORIGIN
        assert [refusal.code for refusal in store.refusals()] == ["namespace_not_home"] * 2


# Proofs


def test_given_a_followed_log_then_any_entry_is_proved_by_whoever_serves_it(
    log: SimulatedLog, follower: MakeFollower, source: HttpLogSource
) -> None:
    grown(log, 300)
    state = follower().sync()
    for index in (0, 6, 255, 256, 299):
        leaf, proof = prove_inclusion(source, state, index)
        assert leaf == log.leaves[index]
        assert verify_inclusion(index, 300, leaf_hash(leaf), proof, state.root)
    with pytest.raises(NotInLog):
        prove_inclusion(source, state, 300)
    log.tamper = lambda path, data: flip(data, 9) if path.startswith("entries") else data
    with pytest.raises(LogCorrupt):
        prove_inclusion(source, state, 5)
