"""Good and hostile calls side by side for a while: good ones stay right, and in the end nothing is left of any."""

from __future__ import annotations

import gc
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker
import pytest

from capmart_core.errors import Busy, ComponentFailed, TooLarge
from capmart_core.ports.runner import Instance
from capmart_sandbox.docker_runner import DockerRunner
from capmart_sandbox.settings import SandboxSettings
from tests.integration.sandbox.conftest import Specify, containers_of_this_process, eventually, folders_of
from tests.support.loops import loops

pytestmark = pytest.mark.engine

SECONDS = len(loops(120))
MISDEEDS: list[tuple[str, dict[str, Any]]] = [
    ("allocate", {"mib": 300}),
    ("fill_and_allocate", {"mib": 120}),
    ("sleep", {"seconds": 30}),
    ("busy", {}),
    ("daemon", {}),
    ("fork_bomb", {}),
    ("thread_bomb", {}),
    ("fill", {}),
    ("leave_files", {}),
    ("segfault", {}),
    ("leave", {"code": 0}),
    ("leave", {"code": 3}),
    ("kill_all", {}),
    ("forge", {"own_id": True}),
    ("forge", {"own_id": False}),
    ("large", {"mib": 5}),
    ("bad", {"kind": "nan"}),
    ("bad", {"kind": "deep"}),
    ("flood", {"mib": 8}),
    ("ugly", {}),
    ("patch", {"secret": "s3cret"}),
    ("weaken", {}),
    ("fail", {}),
    ("hello", {"name": "x" * (5 << 20)}),
]


class Held:
    """What this process holds at a moment."""

    def __init__(self) -> None:
        gc.collect()
        self.files = len(list(Path("/proc/self/fd").iterdir()))
        self.threads = threading.active_count()
        fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        self.rss_mib = int(fields["VmRSS"].split()[0]) / 1024


def orphaned_shims(client: docker.DockerClient) -> list[str]:
    """Ids of containers that a process of this machine holds up though the engine knows them no more."""
    held = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "cmdline").read_text().split("\0")
            except OSError:
                continue
            if "containerd-shim" in words[0] and "-id" in words:
                held.add(words[words.index("-id") + 1])
    return sorted(held - {one["Id"] for one in client.api.containers(all=True)})


def _good(instance: Instance, number: int, counts: Counter[str]) -> None:
    name = f"caller-{number}"
    try:
        answer = instance.call("hello", {"name": name}).value
    except Busy:
        counts["busy"] += 1
        return
    counts["good" if answer == f"hello {name} 1" else f"wrong answer {answer!r}"] += 1


def _hostile(instance: Instance, dice: random.Random, counts: Counter[str]) -> None:
    action, value = dice.choice(MISDEEDS)
    try:
        instance.call(action, value, deadline_s=0.5)
    except (ComponentFailed, TooLarge, Busy) as error:
        counts[f"{action}: {error.code}"] += 1
    else:
        counts[f"{action}: answered"] += 1


def _until(end: float, work: Callable[[], None], errors: list[BaseException]) -> None:
    try:
        while time.monotonic() < end:
            work()
    except BaseException as error:  # noqa: BLE001 - told by the test's own thread
        errors.append(error)


def test_given_good_and_hostile_calls_when_mixed_for_a_while_then_good_ones_hold_and_nothing_is_left(
    engine: docker.DockerClient, sandbox_settings: SandboxSettings, specify: Specify
) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    counts: Counter[str] = Counter()
    errors: list[BaseException] = []
    others = set(containers_of_this_process(engine))
    folders = set(folders_of(sandbox_settings))
    with DockerRunner(sandbox_settings) as runner:
        good = runner.start(specify("hostile", component="trusted/good@1.0.0", tenant="good"))
        bad = runner.start(specify("hostile", component="trusted/bad@1.0.0", tenant="bad"))
        again = runner.start(specify("hostile", component="trusted/bad@1.0.0", tenant="other", isolation="resident"))
        dice = random.Random(seed), random.Random(seed + 1)  # noqa: S311 - which misdeed is next is no secret
        held: list[Held] = []
        for seconds in (SECONDS * 0.25, SECONDS * 0.75):  # the first quarter brings everything up to its size
            end = time.monotonic() + seconds
            works: list[Callable[[], None]] = [
                lambda: _good(good, 1, counts),
                lambda: _good(good, 2, counts),
                lambda: _hostile(bad, dice[0], counts),
                lambda: _hostile(again, dice[1], counts),
            ]
            threads = [threading.Thread(target=_until, args=(end, work, errors)) for work in works]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert not errors, (seed, errors)
            held.append(Held())
        before, after = held
        for number, instance in enumerate((good, bad, again)):
            instance.call("hello", {"name": f"last {number}"})
    told = f"seed {seed}: {counts}"
    assert not [outcome for outcome in counts if outcome.startswith("wrong")], told
    assert counts["good"] > 10 * SECONDS, told
    assert len(counts) > 5, told
    assert eventually(lambda: set(containers_of_this_process(engine)) <= others, within_s=20), told
    assert eventually(lambda: orphaned_shims(engine) == [], within_s=20), told
    assert set(folders_of(sandbox_settings)) <= folders, told
    assert after.files <= before.files + 12, told  # a box more or less at that moment
    assert after.threads <= before.threads + 4, told
    assert after.rss_mib <= before.rss_mib + 40, told
