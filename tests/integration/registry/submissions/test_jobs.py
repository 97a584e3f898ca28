from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from capmart_core.errors import CapmartError, StateConflict, VersionExists
from capmart_core.times import now_utc
from capmart_registry.submissions import jobs
from capmart_registry.submissions import service as submissions
from tests.support.packages import ACTION_CODE
from tests.support.registry import EXAMPLES, PUBLISHER, SmallCenter


@pytest.fixture
def small(tmp_path: Path) -> Iterator[SmallCenter]:
    with SmallCenter(tmp_path / "center") as center:
        yield center


def enqueue(small: SmallCenter, subject: str) -> None:
    with small.center.db.write() as session:
        jobs.enqueue(session, "test", subject)


def test_given_a_job_asked_for_twice_then_it_is_one(small: SmallCenter) -> None:
    enqueue(small, "a")
    enqueue(small, "a")
    assert jobs.take(small.center.db, "w1", ("test",)) is not None
    assert jobs.take(small.center.db, "w2", ("test",)) is None


def test_given_many_workers_at_once_then_each_job_is_in_one_pair_of_hands(small: SmallCenter) -> None:
    for number in range(20):
        enqueue(small, str(number))
    with ThreadPoolExecutor(8) as pool:
        leases = list(pool.map(lambda n: jobs.take(small.center.db, f"w{n}", ("test",)), range(30)))
    taken = [lease.subject for lease in leases if lease is not None]
    assert sorted(taken, key=int) == [str(number) for number in range(20)]


def test_given_a_lease_that_ran_out_then_another_worker_has_the_job_and_the_first_cannot_finish(
    small: SmallCenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    enqueue(small, "a")
    monkeypatch.setattr(jobs, "LEASE", timedelta(seconds=-1))
    first = jobs.take(small.center.db, "w1", ("test",))
    second = jobs.take(small.center.db, "w2", ("test",))
    assert first is not None
    assert second is not None
    assert second.tries == 2
    with pytest.raises(StateConflict), small.center.db.write() as session:
        jobs.finish(session, first)
    with small.center.db.write() as session:
        jobs.finish(session, second)
    assert jobs.take(small.center.db, "w3", ("test",)) is None


def test_given_a_job_put_back_then_it_is_due_later(small: SmallCenter) -> None:
    enqueue(small, "a")
    lease = jobs.take(small.center.db, "w1", ("test",))
    assert lease is not None
    jobs.put_back(small.center.db, lease, None)
    assert jobs.take(small.center.db, "w1", ("test",)) is None


def test_given_a_worker_killed_in_a_check_then_the_next_one_does_it_again(
    small: SmallCenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = ACTION_CODE.replace(b"return a + b", b"import time; time.sleep(1.5); return a + b")
    submission = small.submit(small.package(examples=EXAMPLES, code=slow))
    code = textwrap.dedent("""
        import sys
        from pathlib import Path
        from capmart_registry import worker
        from capmart_registry.center import Center
        from capmart_registry.settings import CenterSettings
        settings = CenterSettings(data=Path(sys.argv[1]), origin="center.zhejiang.example", title_zh="z", title_en="e",
                                  runner="process", process_namespaces=("acme",))
        worker.run_until_idle(Center(settings))
    """)
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(small.folder)], start_new_session=True, stderr=subprocess.DEVNULL
    )
    end = time.monotonic() + 20
    while small.view(submission).state != "checking" and time.monotonic() < end:
        time.sleep(0.02)
    assert small.view(submission).state == "checking"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert small.check() == 0  # still leased by the dead one
    later = now_utc() + jobs.LEASE + timedelta(seconds=1)
    monkeypatch.setattr(jobs, "now_utc", lambda: later)
    assert small.check() == 1
    found = small.view(submission)
    assert found.state == "in_review"
    assert len({(one.check, one.rule) for one in found.findings}) == len(found.findings)


def test_given_checks_that_kill_every_worker_then_they_are_given_up_and_it_is_said(
    small: SmallCenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    submission = small.submit(small.package())
    monkeypatch.setattr(jobs, "LEASE", timedelta(seconds=-1))
    for _ in range(submissions.MAX_TRIES):
        assert jobs.take(small.center.db, "w", ("check",)) is not None
    monkeypatch.setattr(jobs, "LEASE", timedelta(seconds=20))
    small.check()
    found = small.view(submission)
    assert (found.state, found.findings[0].rule) == ("failed", "checks_died")


def test_given_two_publishers_of_one_version_at_once_then_one_wins_and_the_other_learns_its_digest(
    small: SmallCenter,
) -> None:
    packages = [small.package(summary={"zh": str(n), "en": str(n)}) for n in range(6)]
    for packed in packages:
        small.push(packed)

    def submit(number: int) -> str | CapmartError:
        try:
            return submissions.submit(small.center, PUBLISHER, small.envelope(packages[number])).digest
        except VersionExists as error:
            return error

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(submit, range(6)))
    (winner,) = [one for one in answers if isinstance(one, str)]
    assert {one.data["digest"] for one in answers if isinstance(one, CapmartError)} == {winner}
