"""S1: a follower killed at any moment, again and again, ends where one that was never killed ends."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from capmart_sdk.follow import Follower, HttpLogSource, NodeStore
from tests.support.simulated_log import ORIGIN, SimulatedLog

KILLS = 200 if os.environ.get("CAPMART_TEST_FULL") else 20

PROGRAM = """
import sys
from pathlib import Path
from capmart_core.signing import PublicKey
from capmart_sdk.follow import Follower, HttpLogSource, NodeStore
url, key, path = sys.argv[1:]
with NodeStore(Path(path)) as store, HttpLogSource(url) as source:
    print("ready", flush=True)
    Follower("{origin}", PublicKey.parse(key), source, store, batch_size=2).sync()
""".replace("{origin}", ORIGIN)


def rows(path: Path) -> list[str]:
    with sqlite3.connect(path) as db:
        lines = [line for line in db.iterdump() if "fact_clock" not in line and '"alarm"' not in line]
    db.close()
    return lines


@pytest.mark.timeout(600)
def test_s1_given_a_follower_killed_in_a_loop_then_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    log = SimulatedLog()
    log.open_namespace()
    log.publish_many(100 * KILLS // 20)
    log.append(b"not an entry")
    log.sign()
    path = tmp_path / "killed" / "logs.sqlite"
    chance = random.Random(20260301)  # noqa: S311  # decides when to kill, nothing more
    cursors: list[int] = []
    with log.serving() as url:
        for _ in range(KILLS):
            program = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, url, str(log.signer.public), str(path)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            assert program.stdout is not None
            program.stdout.readline()
            time.sleep(chance.uniform(0, 0.15))
            program.send_signal(signal.SIGKILL)
            _, errors = program.communicate()
            assert b"Traceback" not in errors, errors.decode()
            with NodeStore(path) as store:
                state = store.state(ORIGIN)
                cursors.append(state.cursor if state is not None else 0)
                assert len(store.versions("acme/tool")) == max(0, min(cursors[-1], len(log.leaves) - 1) - 2)
        with NodeStore(path) as store, HttpLogSource(url) as source:
            Follower(ORIGIN, log.signer.public, source, store, batch_size=2).sync()
        whole = tmp_path / "whole" / "logs.sqlite"
        with NodeStore(whole) as store, HttpLogSource(url) as source:
            Follower(ORIGIN, log.signer.public, source, store).sync()
    assert cursors == sorted(cursors)
    assert len(set(cursors)) > 2  # it was killed at different places, not only before or after
    assert rows(path) == rows(whole)
