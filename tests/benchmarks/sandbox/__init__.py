"""Warm calls and cold starts beside ``docker run --rm`` of the same image with the same hardening.

The kinds take turns in each round, so that what else the machine does at the moment falls on all of them.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from capmart_core.ports.runner import Runner, RunSpec
from capmart_sandbox.docker_runner import DockerRunner
from tests.benchmarks.figures import Figure, Goal, median, percentile
from tests.benchmarks.sandbox.bounds import bounds, hello
from tests.benchmarks.sandbox.served import calls_per_second, installed

ROUNDS = {"small": 6, "full": 40}
CALLS = 10
LOAD_S = {"small": 5.0, "full": 20.0}
POOL_S = 30.0
QUIET_S = 0.3
GAP_S = 0.01
INPUT = {"a": 1, "b": 2}
HARDENED = (
    *("docker", "run", "--rm", "--network", "none", "--read-only", "--cap-drop", "ALL", "--user", "65534:65534"),
    *("--security-opt", "no-new-privileges", "--memory", "256m", "--memory-swap", "256m", "--pids-limit", "64"),
    *("--cpus", "1", "--ipc", "none", "--log-driver", "none", "--tmpfs", "/tmp:rw,noexec,nosuid,nodev,size=16m"),  # noqa: S108 - in there
)


def measure(scale: str) -> list[Figure]:
    """Medians in milliseconds.

    Raises:
        EngineUnavailable: no engine answers.
    """
    peer: list[float] = []
    cold: list[float] = []
    isolated: list[float] = []
    resident: list[float] = []
    pooled: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with installed(folder) as made:
            with made.gateway() as port:
                calls_per_second(port, "acme/once", 1.0)
                rate = calls_per_second(port, "acme/once", LOAD_S[scale])
            with made.node() as node, DockerRunner() as runner:
                image = runner.info().detail["base_image"].partition(" ")[0]
                greeting = [*HARDENED, image, "python3", "-I", "-S", "-c", "print('hello')"]
                once = hello(folder, "benchmark")
                for component in ("acme/once", "acme/kept"):
                    node.call(component, "add", INPUT)
                for _ in range(ROUNDS[scale]):
                    peer.append(_ms(lambda: subprocess.run(greeting, check=True, capture_output=True)))
                    cold.append(_first_result(runner, once))
                    time.sleep(QUIET_S)  # the engine still removes the containers of before
                    for calls, component in ((isolated, "acme/once"), (resident, "acme/kept")):
                        for _ in range(CALLS):
                            time.sleep(GAP_S)
                            calls.append(_ms(lambda: node.call(component, "add", INPUT)))  # noqa: B023 - at once
                runner.prepare()
                for _ in range(ROUNDS[scale]):
                    if runner.pool is None or not runner.pool.wait(once.limits, POOL_S):
                        raise RuntimeError("no container waits")
                    time.sleep(QUIET_S)
                    pooled.append(_first_result(runner, once))
        with DockerRunner() as runner:
            held = bounds(runner, folder, scale)
    beside = median(peer)
    return [
        _beside("warm call, isolated, through the node", isolated, beside, 1 / 200),
        _beside("warm call, resident, through the node", resident, beside, 1 / 600),
        _beside("first call from the generic pool", pooled, beside, 1 / 25),
        _beside("cold start to first result", cold, beside, 1.0),
        Figure("isolated calls through the gateway", rate, "/s", goal=Goal(300, "least", "ours")),
        *held,
    ]


def _beside(name: str, times: list[float], peer: float, goal: float) -> Figure:
    spread = f"min {min(times):.2f}, p95 {percentile(times, 0.95):.2f}"
    return Figure(f"{name}, p50 ({spread})", median(times), "ms", peer, "docker run", Goal(goal))


def _first_result(runner: Runner, spec: RunSpec) -> float:
    """Until the first result is there; ending the instance is not part of it."""
    started = time.perf_counter()
    with runner.start(spec) as instance:
        instance.call("add", INPUT)
        return (time.perf_counter() - started) * 1000


def _ms(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000
