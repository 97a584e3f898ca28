"""How well the bounds hold: deadlines, the end of the hub, the memory of what waits, and a neighbour's peace."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import docker

from capmart_core.errors import CallTimeout, ComponentFailed
from capmart_core.manifest.models import Limits, PythonDelivery
from capmart_core.ports.runner import Instance, Runner, RunSpec
from capmart_sandbox.owners import OWNER_LABEL, this_owner
from tests.benchmarks.figures import Figure, Goal, median, percentile
from tests.support.packages import ACTION_CODE, make_wheel

REPOSITORY = Path(__file__).parents[3]
HOSTILE = REPOSITORY / "tests" / "integration" / "sandbox" / "components" / "hostile.py"
IDLE = {"small": 20, "full": 100}
REPEATS = {"small": 3, "full": 10}
FLOOD_S = {"small": 4.0, "full": 20.0}
DEADLINE_S = 0.5
GAP_S = 0.005
HUB = """
import sys, time
from pathlib import Path
from capmart_sandbox.docker_runner import DockerRunner
from tests.benchmarks.sandbox.bounds import hostile
runner = DockerRunner()
kept = [runner.start(hostile(Path(sys.argv[1]), f"hub{number}")) for number in range(3)]
print("ready", flush=True)
time.sleep(60)
"""


def hostile(folder: Path, tenant: str) -> RunSpec:
    """The component that misbehaves, for a tenant."""
    wheel = make_wheel(folder / tenant, "hostile", files={"hostile.py": HOSTILE.read_bytes()})
    delivery = PythonDelivery(entry="hostile", runtimes=("python3.11-any",))
    limits = Limits(memory_mib=128, deadline_s=30, tmp_mib=16)
    return RunSpec("acme/hostile@1.0.0", "sha256:" + "0" * 64, delivery, (wheel,), limits=limits, tenant=tenant)


def hello(folder: Path, tenant: str) -> RunSpec:
    """A component of a few lines, for a tenant."""
    wheel = make_wheel(folder / tenant, files={"acme_sum.py": ACTION_CODE})
    delivery = PythonDelivery(entry="acme_sum", runtimes=("python3.11-any",))
    return RunSpec("acme/sum@1.0.0", "sha256:" + "0" * 64, delivery, (wheel,), tenant=tenant)


def bounds(runner: Runner, folder: Path, scale: str) -> list[Figure]:
    """All figures of this module."""
    with runner.start(hostile(folder, "bad")) as bad, runner.start(hostile(folder, "good")) as good:
        busy = _overshoot(bad, "busy", REPEATS[scale])
        bomb = _overshoot(bad, "fork_bomb", REPEATS[scale])
        quiet, beside = _neighbour(good, bad, FLOOD_S[scale])
    return [
        Figure("deadline overshoot, busy loop", busy, "ms", goal=Goal(50, of="ours")),
        Figure("deadline overshoot, fork bomb", bomb, "ms", goal=Goal(250, of="ours")),
        Figure("neighbour's p95 during a flood of output", beside, "ms", quiet, "the same, quiet", Goal(2.0)),
        Figure("idle warm component, memory", _idle(runner, folder, IDLE[scale]), "MiB", goal=Goal(12, of="ours")),
        Figure("hub killed: containers gone", _killed(folder), "ms", goal=Goal(500, of="ours")),
    ]


def _overshoot(bad: Instance, action: str, repeats: int) -> float:
    """Median of how long after its deadline a call's error came, milliseconds."""
    late = []
    for _ in range(repeats):
        started = time.perf_counter()
        try:
            bad.call(action, {}, deadline_s=DEADLINE_S)
        except CallTimeout:
            late.append((time.perf_counter() - started - DEADLINE_S) * 1000)
    return median(late)


def _neighbour(good: Instance, bad: Instance, seconds: float) -> tuple[float, float]:
    """A component's p95 when it is alone, and while another one writes as much as it can."""
    quiet = _calls(good, seconds)
    stop = threading.Event()

    def flood() -> None:
        while not stop.is_set():
            try:
                bad.call("flood", {"mib": 1024}, deadline_s=seconds)
            except ComponentFailed:
                continue

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        beside = _calls(good, seconds)
    finally:
        stop.set()
        thread.join()
    return percentile(quiet, 0.95), percentile(beside, 0.95)


def _calls(instance: Instance, seconds: float) -> Sequence[float]:
    times = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        time.sleep(GAP_S)
        started = time.perf_counter()
        instance.call("hello", {})
        times.append((time.perf_counter() - started) * 1000)
    return times


def _idle(runner: Runner, folder: Path, count: int) -> float:
    """Memory of each component that was called once and waits: its container's, as the kernel counts it, and that of
    the process that holds the container up, MiB.

    Not what the machine has less of, because other things run on it, too.
    """
    client = docker.APIClient()
    before = _running(client)
    with ExitStack() as stack:
        for number in range(count):
            stack.enter_context(runner.start(hello(folder, f"idle{number}"))).call("add", {"a": 1, "b": 2})
        time.sleep(1)
        ours = _running(client) - before
        inside = sum(_used(client.stats(one, stream=False, one_shot=True)["memory_stats"]) for one in ours)
        outside = sum(_shims_bytes(ours).values())
    client.close()
    return float(inside + outside) / count / (1 << 20)


def _used(memory: dict[str, Any]) -> int:
    """Bytes in use without what the kernel may drop at any time, as ``docker stats`` shows it."""
    details = memory["stats"]
    return int(memory["usage"] - details.get("total_inactive_file", details.get("inactive_file", 0)))


def _running(client: docker.APIClient) -> set[str]:
    label = f"{OWNER_LABEL}={this_owner()}"
    return {one["Id"] for one in client.containers(filters={"label": label})}


def _shims_bytes(containers: set[str]) -> dict[str, int]:
    """Proportional set size of each container's shim."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "cmdline").read_text().split("\0")
                if "containerd-shim" in words[0] and "-id" in words and words[words.index("-id") + 1] in containers:
                    rollup = (folder / "smaps_rollup").read_text("ascii")
                    found[words[words.index("-id") + 1]] = int(rollup.partition("\nPss:")[2].split()[0]) * 1024
            except OSError:
                continue
    return found


def _killed(folder: Path) -> float:
    """Milliseconds from SIGKILL of a hub with three boxes until the engine lists none of them."""
    client = docker.from_env()
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", HUB, str(folder / "hub")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as hub:
        try:
            assert hub.stdout is not None
            if hub.stdout.readline() != b"ready\n":
                raise RuntimeError("the hub did not start")
            mine = f":{hub.pid}:"
            started = time.perf_counter()
            hub.send_signal(signal.SIGKILL)
            while any(
                mine in one["Labels"][OWNER_LABEL] for one in client.api.containers(filters={"label": OWNER_LABEL})
            ):
                time.sleep(0.01)
            return (time.perf_counter() - started) * 1000
        finally:
            hub.kill()
            client.close()
