"""Several processes of one center on one database: one log, one writer at a time, nothing lost or doubled."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import col, select

from capmart_core.errors import Busy
from capmart_core.log import Frontier, leaf_hash
from capmart_registry import db as database_module
from capmart_registry.catalog.models import LedgerNamespace
from capmart_registry.db import Database
from capmart_registry.log import service as log
from capmart_registry.log.models import LogRow
from capmart_registry.submissions import jobs
from tests.support.registry import SmallCenter

WRITERS, EACH = 4, 12
APPEND = """
import sys
from pathlib import Path
from capmart_core.statements import NamespaceGrant
from capmart_core.times import now_utc
from capmart_registry.center import Center
from capmart_registry.log import service as log
from capmart_registry.settings import CenterSettings
data, name, count = sys.argv[1:]
center = Center(CenterSettings(data=Path(data), origin="center.zhejiang.example", title_zh="z", title_en="e"))
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(count)):
    with center.db.write() as session:
        space = f"{name}-{number}"
        grant = NamespaceGrant(home=center.origin, at=now_utc(), namespace=space, organisation="acme")
        log.append_act(center, session, grant)
"""
TAKE = """
import sys
from capmart_registry.db import Database
from capmart_registry.submissions import jobs
db, name = Database(sys.argv[1]), sys.argv[2]
print("ready", flush=True)
sys.stdin.readline()
while (lease := jobs.take(db, name, ("test",))) is not None:
    print(lease.subject, flush=True)
"""


@pytest.fixture
def small(tmp_path: Path) -> Iterator[SmallCenter]:
    with SmallCenter(tmp_path / "center") as center:
        yield center


def together(code: str, arguments: list[list[str]]) -> list[str]:
    """What processes said that began at the same moment."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, *one], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=None, text=True
        )
        for one in arguments
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return said


def test_given_processes_that_append_at_once_then_the_log_is_one_line_and_the_checkpoint_covers_it(
    small: SmallCenter,
) -> None:
    with small.center.db.read() as session:
        before = log.size_of(session, small.origin)
    together(APPEND, [[str(small.folder), f"writer{number}", str(EACH)] for number in range(WRITERS)])
    with small.center.db.read() as session:
        rows = list(session.exec(select(LogRow).order_by(col(LogRow.index))))
        names = set(session.exec(select(LedgerNamespace.namespace)))
    assert [row.index for row in rows] == list(range(before + WRITERS * EACH))
    assert {f"writer{one}-{n}" for one in range(WRITERS) for n in range(EACH)} <= names
    published = log.readers(small.center)[small.origin].checkpoint()
    assert published.size == len(rows)
    assert Frontier().add(leaf_hash(row.leaf) for row in rows).root() == published.root


def test_given_workers_of_several_processes_then_each_job_is_in_one_pair_of_hands(small: SmallCenter) -> None:
    wanted = {f"job {number}" for number in range(24)}
    with small.center.db.write() as session:
        for subject in wanted:
            jobs.enqueue(session, "test", subject)
    address = small.center.settings.database
    said = together(TAKE, [[address, f"worker{number}"] for number in range(3)])
    taken = [line for one in said for line in one.splitlines()]
    assert sorted(taken) == sorted(wanted)


def test_given_a_writer_that_holds_on_then_another_is_told_to_try_again(
    small: SmallCenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "BUSY_TIMEOUT_MS", 200)
    other = Database(small.center.settings.database)
    with small.center.db.write(), pytest.raises(Busy), other.write():
        pass
    with other.write():
        pass
    other.dispose()


def test_given_a_writer_at_work_then_readers_see_one_moment_throughout(small: SmallCenter) -> None:
    with small.center.db.read() as session:
        before = log.size_of(session, small.origin)
        appended = threading.Thread(target=small.open_namespace, args=("later", small.publisher, "acme"))
        appended.start()
        appended.join()
        assert log.size_of(session, small.origin) == before
    with small.center.db.read() as session:
        assert log.size_of(session, small.origin) == before + 2


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)  # SQLite's lock ends with the process
def test_given_a_writer_whose_machine_is_gone_then_its_lock_does_not_stay(
    small: SmallCenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "ABANDONED_MS", 300)
    gone = Database(small.center.settings.database)
    silent = gone.writer.connect()
    silent.begin()
    started = time.monotonic()
    with small.center.db.write():
        waited = time.monotonic() - started
    assert 0.1 < waited < 10
    silent.invalidate()
    silent.close()
    gone.dispose()
