from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from capmart_core.errors import LogFork, LogFrozen, StateConflict
from capmart_sdk.follow import Follower, NodeStore
from tests.support.simulated_log import ORIGIN, SimulatedLog


def test_given_a_new_folder_then_an_empty_store_is_made(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "node" / "logs.sqlite"
    with NodeStore(path) as store:
        assert (store.state(ORIGIN), store.origins(), store.revision()) == (None, [], 0)
        assert store.namespace("acme") is None
        assert store.key("acme", "0" * 64) is None
        assert store.release("acme/tool", "1.0.0") is None
        assert (store.versions("acme/tool"), store.releases("acme"), store.refusals(), store.alarms()) == (
            [],
            [],
            [],
            [],
        )
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    db.close()


def test_given_a_store_written_by_a_newer_capmart_then_it_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "logs.sqlite"
    NodeStore(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    before = path.read_bytes()
    with pytest.raises(StateConflict, match="schema 99"):
        NodeStore(path)
    assert path.read_bytes() == before


def test_given_a_followed_log_when_the_store_is_opened_again_then_all_is_there(tmp_path: Path) -> None:
    log = SimulatedLog()
    log.open_namespace()
    for version in ("1.10.0", "1.9.0", "2.0.0-rc.1", "2.0.0"):
        log.say("publish", component="acme/tool", version=version)
    log.act("recall", component="acme/unseen", home=ORIGIN)
    log.sign()
    path = tmp_path / "logs.sqlite"
    with NodeStore(path) as store:
        state = Follower(ORIGIN, log.signer.public, log, store).sync()
    with NodeStore(path) as store:
        assert store.state(ORIGIN) == state
        assert store.origins() == [state]
        assert [fact.version for fact in store.versions("acme/tool")] == ["2.0.0", "2.0.0-rc.1", "1.10.0", "1.9.0"]
        assert len(store.releases("acme")) == 4
        assert [refusal.code for refusal in store.refusals("acme/unseen", "1.0.0")] == ["component_not_found"]
        assert store.refusals("acme/tool") == []


def test_given_an_act_about_a_release_not_seen_then_it_is_known_but_no_version(tmp_path: Path) -> None:
    log = SimulatedLog("other.example")
    log.act("quarantine", component="acme/tool")
    log.sign()
    with NodeStore(tmp_path / "logs.sqlite") as store:
        Follower("other.example", log.signer.public, log, store).sync()
        fact = store.release("acme/tool", "1.0.0")
        assert fact is not None
        assert fact.published is None
        assert store.versions("acme/tool") == []


def test_given_alarms_then_the_same_one_is_counted_and_the_latest_is_kept(tmp_path: Path) -> None:
    with NodeStore(tmp_path / "logs.sqlite") as store:
        for size in (3, 4):
            store.alarm(ORIGIN, LogFork(origin=ORIGIN, size=size, evidence=tmp_path))
        store.alarm("other.example", LogFrozen(origin="other.example", at="2026-01-01T00:00:00Z", limit="1 day"))
        (fork,) = store.alarms(ORIGIN)
        assert (fork.code, fork.times, fork.data["size"]) == ("log_fork", 2, "4")
        assert fork.message("zh") != fork.message("en")
        assert fork.first_at <= fork.last_at
        assert len(store.alarms()) == 2


def test_given_an_origin_with_a_path_then_its_evidence_stays_in_one_folder(tmp_path: Path) -> None:
    with NodeStore(tmp_path / "logs.sqlite") as store:
        assert store.evidence("center.example/logs/a").parent == tmp_path / "evidence"
