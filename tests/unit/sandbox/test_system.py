"""What the guest does between calls, on this machine's own file system."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from capmart_sandbox.guest import system


def test_given_a_tree_of_every_kind_when_wiped_then_the_folder_is_empty_and_links_are_not_followed(
    tmp_path: Path,
) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("x")
    folder = tmp_path / "tmp"
    folder.mkdir()
    (folder / "link").symlink_to(kept)
    (folder / "file").write_text("x")
    os.mkfifo(folder / "fifo")
    (folder / "closed").mkdir()
    (folder / "closed" / "inner").mkdir()
    (folder / "closed" / "inner" / "link").symlink_to(kept)
    (folder / "closed").chmod(0)
    assert system.wipe(str(folder))
    assert list(folder.iterdir()) == []
    assert (kept / "file").read_text() == "x"


def test_given_a_tree_deeper_than_the_stack_when_wiped_then_the_folder_is_empty(tmp_path: Path) -> None:
    depth = sys.getrecursionlimit() * 2
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    assert system.wipe(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_given_no_folder_when_wiped_then_it_says_no(tmp_path: Path) -> None:
    assert not system.wipe(str(tmp_path / "missing"))


def test_given_a_process_tree_when_asked_then_every_descendant_is_found() -> None:
    program = "import os, time; pid = os.fork(); pid and print('up', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = system.descendants(os.getpid())
        below = system.descendants(process.pid)
        os.killpg(process.pid, signal.SIGKILL)
    assert len(below) == 1
    assert {process.pid, *below} <= set(found)


def test_given_a_changed_limit_when_compared_then_the_posture_differs() -> None:
    program = (
        "import resource; from capmart_sandbox.guest import system; before = system.posture();"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)); print(before == system.posture())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    assert system.posture() == system.posture()
