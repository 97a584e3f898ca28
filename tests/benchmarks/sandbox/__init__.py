"""Warm calls and cold starts beside ``docker run --rm`` of the same image with the same hardening.

The kinds take turns in each round, so that what else the machine does at the moment falls on all of them.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from capmart_core.drivers import load_driver
from capmart_core.manifest.models import Limits, PythonDelivery
from capmart_core.ports.runner import Runner, RunSpec
from capmart_sandbox.docker_runner import DockerRunner
from tests.benchmarks.figures import Figure, Goal, median
from tests.support.packages import make_wheel

ROUNDS = {"small": 6, "full": 40}
CALLS = 10
POOL_S = 30.0
GAP_S = 0.01
SOURCE = b"""from capmart_component import action


@action(title_zh="\xe7\x9b\xb8\xe5\x8a\xa0", title_en="Add")
def add(a: int, b: int) -> int:
    return a + b
"""
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
    with tempfile.TemporaryDirectory() as folder:
        runner: Runner = load_driver("capmart.runners", "docker")
        with runner:
            image = runner.info().detail["base_image"].partition(" ")[0]
            hello = [*HARDENED, image, "python3", "-I", "-S", "-c", "print('hello')"]
            once, lasting = _spec(Path(folder), "isolated"), _spec(Path(folder), "resident")
            assert isinstance(runner, DockerRunner)
            with runner.start(once) as forked, runner.start(lasting) as kept:
                for _ in range(ROUNDS[scale]):
                    peer.append(_ms(lambda: subprocess.run(hello, check=True, capture_output=True)))
                    cold.append(_first_result(runner, once))
                    for calls, instance in ((isolated, forked), (resident, kept)):
                        for _ in range(CALLS):
                            time.sleep(GAP_S)
                            calls.append(instance.call("add", {"a": 1, "b": 2}).usage.wall_ms)
                runner.prepare()
                for _ in range(ROUNDS[scale]):
                    if runner.pool is None or not runner.pool.wait(once.limits, POOL_S):
                        raise RuntimeError("no container waits")
                    pooled.append(_first_result(runner, once))
    beside = median(peer)
    return [
        Figure("warm call, isolated, p50", median(isolated), "ms", beside, "docker run", Goal(1 / 200)),
        Figure("warm call, resident, p50", median(resident), "ms", beside, "docker run", Goal(1 / 600)),
        Figure("first call from the generic pool, p50", median(pooled), "ms", beside, "docker run", Goal(1 / 25)),
        Figure("cold start to first result, p50", median(cold), "ms", beside, "docker run", Goal(1.0)),
    ]


def _spec(folder: Path, isolation: str) -> RunSpec:
    wheel = make_wheel(folder, "acme_sum", files={"acme_sum.py": SOURCE})
    delivery = PythonDelivery.model_validate(
        {"entry": "acme_sum", "runtimes": ["python3.11-any"], "isolation": isolation}
    )
    return RunSpec("acme/sum@1.0.0", "sha256:" + "0" * 64, delivery, (wheel,), limits=Limits(), tenant="benchmark")


def _first_result(runner: Runner, spec: RunSpec) -> float:
    """Until the first result is there; ending the instance is not part of it."""
    started = time.perf_counter()
    with runner.start(spec) as instance:
        instance.call("add", {"a": 1, "b": 2})
        return (time.perf_counter() - started) * 1000


def _ms(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000
