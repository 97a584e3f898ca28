"""What every store of followed logs must do. A new store is added to ``STORES`` and passes as it is."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capmart_core.errors import LogFrozen, StateConflict
from capmart_core.ledger import Overlay, judge
from capmart_core.signing import Ed25519Signer
from capmart_registry.upstreams.filters import EVERYTHING
from capmart_registry.upstreams.store import RegistryStore
from capmart_sdk.follow import Batch, Follower, FollowStore, NodeStore
from tests.support.registry import SmallCenter
from tests.support.simulated_log import ORIGIN, SimulatedLog


@contextmanager
def registry_store(folder: Path) -> Iterator[RegistryStore]:
    """The store of a center, which also keeps the entries to relay them."""
    with SmallCenter(folder / "center", "center.brain.example", namespace=False) as small:
        yield RegistryStore(small.center, EVERYTHING)


STORES: dict[str, Callable[[Path], AbstractContextManager[Any]]] = {
    "node": lambda folder: NodeStore(folder / "logs.sqlite"),
    "registry": registry_store,
}
KEYS = [Ed25519Signer.generate() for _ in range(3)]

acts = st.one_of(
    st.tuples(
        st.sampled_from(["publish", "yank", "unyank", "deprecate"]),
        st.sampled_from(["1.0.0", "1.1.0"]),
        st.integers(1, 6),
        st.integers(1, 2),
    ),
    st.tuples(
        st.sampled_from(["quarantine", "release", "recall", "takedown", "list"]),
        st.sampled_from(["1.0.0", "1.1.0"]),
        st.integers(1, 6),
        st.just(0),
    ),
    st.tuples(st.sampled_from(["key.add", "key.revoke"]), st.just(""), st.integers(0, 12), st.integers(1, 2)),
    st.tuples(st.just("garbage"), st.just(""), st.just(0), st.just(0)),
)


@pytest.fixture(params=sorted(STORES))
def opener(request: pytest.FixtureRequest) -> Callable[[Path], AbstractContextManager[Any]]:
    return STORES[request.param]


@pytest.fixture
def store(opener: Callable[[Path], AbstractContextManager[Any]], tmp_path: Path) -> Iterator[FollowStore]:
    with opener(tmp_path) as opened:
        yield opened


def simulated(count: int = 4) -> SimulatedLog:
    log = SimulatedLog(signer=KEYS[0])
    log.publisher = KEYS[1]
    log.open_namespace()
    log.publish_many(count)
    log.sign()
    return log


def follower(log: SimulatedLog, store: FollowStore, **options: Any) -> Follower:
    return Follower(log.origin, log.signer.public, log, store, **options)


def test_given_a_log_never_followed_then_there_is_no_state(store: FollowStore) -> None:
    assert store.state(ORIGIN) is None


def test_given_a_batch_applied_then_state_and_view_show_it(store: FollowStore) -> None:
    log = simulated()
    before = store.revision()
    state = follower(log, store).sync()
    assert store.state(ORIGIN) == state
    assert (state.cursor, state.size, state.checkpoint) == (6, 6, log.note)
    assert store.revision() != before
    space = store.namespace("acme")
    assert space is not None
    assert (space.home, space.organisation) == (ORIGIN, "Acme")
    assert {fact.version for fact in store.releases("acme")} == {"1.0.0", "1.1.0", "1.2.0", "1.3.0"}


def test_given_a_batch_applied_twice_then_the_second_time_changes_nothing(store: FollowStore) -> None:
    log = simulated()
    batches: list[Batch] = []
    follower(log, store, batch_size=2).sync(batches.append)
    state, revision = store.state(ORIGIN), store.revision()
    for batch in batches:
        store.apply(batch)
    assert (store.state(ORIGIN), store.revision()) == (state, revision)


def test_given_a_batch_that_skips_entries_then_nothing_is_written(store: FollowStore) -> None:
    log = simulated()
    batches: list[Batch] = []
    follower(log, store).sync(batches.append)
    state = store.state(ORIGIN)
    ahead = replace(batches[-1], start=50, revision=store.revision(), state=replace(batches[-1].state, size=99))
    with pytest.raises(StateConflict):
        store.apply(ahead)
    assert store.state(ORIGIN) == state


def test_given_facts_that_changed_since_a_batch_was_judged_then_it_is_not_written(store: FollowStore) -> None:
    log = simulated()
    held: list[Batch] = []

    class Holding:
        """Keeps the batch instead of applying it."""

        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        def apply(self, batch: Batch) -> None:
            held.append(batch)

    follower(log, Holding()).poll()
    other = SimulatedLog("other.example")
    other.open_namespace("rival")
    other.sign()
    follower(other, store).sync()
    with pytest.raises(StateConflict):
        store.apply(held[0])
    assert store.state(ORIGIN) is None
    assert store.namespace("acme") is None


def test_given_a_log_signed_anew_then_only_the_checkpoint_changes(store: FollowStore) -> None:
    log = simulated()
    first = follower(log, store).sync()
    assert first.at is not None
    revision = store.revision()
    note = log.sign(first.at + timedelta(minutes=1))
    follower(log, store).sync()
    assert store.state(ORIGIN) == replace(first, checkpoint=note, at=first.at + timedelta(minutes=1))
    assert store.revision() == revision


def test_given_refused_entries_then_the_cursor_goes_past_them(store: FollowStore) -> None:
    log = simulated()
    log.append(b"not an entry")
    log.say("publish", component="acme/tool", version="2.0.0")
    log.sign()
    assert follower(log, store).sync().cursor == 8
    assert store.release("acme/tool", "2.0.0") is not None


def test_given_an_alarm_then_its_folder_for_evidence_can_be_written(store: FollowStore) -> None:
    store.alarm(ORIGIN, LogFrozen(origin=ORIGIN, at="2026-01-01T00:00:00Z", limit="1 day"))
    folder = store.evidence(ORIGIN)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "note.txt").write_bytes(b"proof")


@pytest.mark.parametrize("name", sorted(STORES))
@given(st.lists(acts, max_size=12), st.integers(1, 5))
def test_given_any_log_in_any_batches_then_the_view_is_what_the_rules_say(
    name: str, ops: list[tuple[str, str, int, int]], batch_size: int
) -> None:
    log = simulated(0)
    for op, version, number, who in ops:
        if op == "garbage":
            log.append(b"{}")
        elif op.startswith("key"):
            fields: dict[str, Any] = {"namespace": "acme", "keyid": KEYS[who].public.keyid}
            fields |= {"key": str(KEYS[who].public)} if op == "key.add" else {"from_index": number}
            log.act(op, **fields)
        else:
            log.say(op, component="acme/tool", version=version, seq=number, signer=KEYS[who])
    log.sign()
    expected = Overlay()
    for index, leaf in enumerate(log.leaves):
        expected.apply(judge(ORIGIN, log.signer.public, index, leaf, expected).changes)
    with tempfile.TemporaryDirectory() as folder, STORES[name](Path(folder)) as store:
        follower(log, store, batch_size=batch_size).sync()
        assert store.namespace("acme") == expected.namespace("acme")
        for signer in KEYS:
            keyid = signer.public.keyid
            assert store.key("acme", keyid) == expected.key("acme", keyid)
        assert {fact.name: fact for fact in store.releases("acme")} == {
            fact.name: fact for fact in expected.releases("acme")
        }
