"""S1 for a center: killed at any moment while it follows, it ends with the rows of one that was never killed."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlmodel import select

from capmart_registry.catalog.models import LedgerRelease, Release
from capmart_registry.log import service as log_service
from capmart_registry.upstreams.filters import EVERYTHING
from capmart_registry.upstreams.models import RefusedEntry
from capmart_registry.upstreams.store import RegistryStore
from capmart_sdk.follow import Follower, HttpLogSource
from tests.support.loops import loops
from tests.support.registry import SmallCenter
from tests.support.simulated_log import ORIGIN, SimulatedLog

BRAIN = "center.brain.example"
PROGRAM = f"""
import sys
from pathlib import Path
from capmart_core.signing import PublicKey
from capmart_registry.center import Center
from capmart_registry.settings import CenterSettings
from capmart_registry.upstreams.filters import EVERYTHING
from capmart_registry.upstreams.store import RegistryStore
from capmart_sdk.follow import Follower, HttpLogSource
url, key, data = sys.argv[1:]
center = Center(CenterSettings(data=Path(data), origin="{BRAIN}", title_zh="z", title_en="e"))
with HttpLogSource(url) as source:
    follower = Follower("{ORIGIN}", PublicKey.parse(key), source, RegistryStore(center, EVERYTHING), batch_size=2)
    print("ready", flush=True)
    follower.sync()
"""


def rows(small: SmallCenter) -> list[object]:
    """Everything that following left, without what counts attempts."""
    with small.center.db.read() as session:
        facts = [(row.component_id, row.version, row.fact) for row in session.exec(select(LedgerRelease))]
        shown = [(row.component_id, row.version, row.state, row.log_index) for row in session.exec(select(Release))]
        refused = [(row.log_index, row.code) for row in session.exec(select(RefusedEntry))]
    reader = log_service.readers(small.center)[ORIGIN]
    return [sorted(facts), sorted(shown), sorted(refused), reader.checkpoint().note, reader.entries(0, 10_000)]


@pytest.mark.timeout(900)
def test_s1_given_a_center_killed_in_a_loop_then_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    log = SimulatedLog()
    log.open_namespace()
    log.publish_many(120)
    log.append(b"not an entry")
    log.sign()
    chance = random.Random(20260301)  # noqa: S311  # decides when to kill, nothing more
    cursors: list[int] = []
    with (
        log.serving() as url,
        SmallCenter(tmp_path / "killed", BRAIN, namespace=False) as killed,
        SmallCenter(tmp_path / "whole", BRAIN, namespace=False) as whole,
    ):
        for _ in loops(100):
            program = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, url, str(log.signer.public), str(killed.folder)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            assert program.stdout is not None
            program.stdout.readline()
            time.sleep(chance.uniform(0, 0.25))
            program.send_signal(signal.SIGKILL)
            _, errors = program.communicate()
            assert b"Traceback" not in errors, errors.decode()
            state = RegistryStore(killed.center, EVERYTHING).state(ORIGIN)
            cursors.append(state.cursor if state is not None else 0)
        for small in (killed, whole):
            with HttpLogSource(url) as source:
                store = RegistryStore(small.center, EVERYTHING)
                Follower(ORIGIN, log.signer.public, source, store, batch_size=50).sync()
        assert rows(killed) == rows(whole)
    assert cursors == sorted(cursors)
    assert len(set(cursors)) > 1  # killed at more than one place
