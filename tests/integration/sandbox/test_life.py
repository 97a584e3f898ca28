"""Starting, waiting, dying: what happens around the calls, and that nothing is left of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import docker
import pytest

from capmart_core.errors import (
    Busy,
    CallTimeout,
    Crashed,
    EngineUnavailable,
    StateConflict,
    TooLarge,
    Unhealthy,
)
from capmart_core.manifest.models import Limits
from capmart_core.ports.runner import Runner, RunSpec
from capmart_sandbox.docker_runner import DockerRunner
from capmart_sandbox.guest.system import descendants
from capmart_sandbox.owners import OWNER_LABEL, folder_is_orphaned, this_owner
from capmart_sandbox.process_runner import ProcessRunner
from capmart_sandbox.settings import SandboxSettings
from tests.integration.sandbox.conftest import (
    LIMITS,
    RUNTIME,
    Specify,
    containers_of_this_process,
    eventually,
    folders_of,
)
from tests.support.processes import REPOSITORY, Process

ACTION = """
from capmart_component import action

@action(title_zh="问候", title_en="Hello")
def hello() -> str:
    return "hello"
"""

USE = """
@action(title_zh="用", title_en="Use")
def use() -> int:
    held = b"x" * (50 << 20)
    return sum(range(2_000_000)) + len(held)
"""

LISTING = """
@action(title_zh="进程", title_en="List")
def processes() -> int:
    return sum(name.isdigit() for name in os.listdir("/proc"))
"""

HOST = """
import sys, threading
from pathlib import Path
from capmart_core.manifest.models import Limits, PythonDelivery
from capmart_core.ports.runner import RunSpec
from capmart_sandbox.{module} import {runner}
from capmart_sandbox.settings import SandboxSettings

settings = SandboxSettings(run_dir={run_dir!r}, cache={cache!r}, process_namespaces=("trusted",))
spec = RunSpec("trusted/greeter@1.0.0", "sha256:1", PythonDelivery(entry="greeter", runtimes=({runtime!r},)),
               (Path({wheel!r}),), limits=Limits(deadline_s=60))
runner = {runner}(settings)
idle, busy = runner.start(spec), runner.start(spec)
threading.Thread(target=busy.call, args=("wait", {{"seconds": 60}}), daemon=True).start()
print("ready", flush=True)
threading.Event().wait()
"""


def test_given_an_import_that_raises_when_started_then_unhealthy_with_the_traceback_r27(
    runner: Runner, specify: Specify
) -> None:
    spec = specify("broken", "import json\n\ndef load():\n    return json.loads('{')\n\nload()\n")
    with pytest.raises(Unhealthy, match=r"broken\.py.*\n.*json\.loads(.|\n)*JSONDecodeError"):
        runner.start(spec)
    with pytest.raises(Unhealthy, match="JSONDecodeError"):
        runner.describe(spec)


def test_given_a_module_without_actions_when_started_then_unhealthy_in_both_languages(
    runner: Runner, specify: Specify
) -> None:
    for attempt in (runner.start, runner.describe):
        with pytest.raises(Unhealthy) as refused:
            attempt(specify("empty", "x = 1\n"))
        assert "has no action" in refused.value.message("en")
        assert "没有动作" in refused.value.message("zh")


def test_given_an_import_that_crashes_when_started_then_unhealthy_r27(runner: Runner, specify: Specify) -> None:
    with pytest.raises(Unhealthy, match=r"SIGSEGV|exit code 139"):
        runner.start(specify("crashing", "import ctypes\nctypes.string_at(0)\n"))


def test_given_an_import_that_hangs_when_started_then_unhealthy_in_time_r27(
    sandbox_settings: SandboxSettings, specify: Specify, engine: docker.DockerClient
) -> None:
    with DockerRunner(sandbox_settings.model_copy(update={"start_timeout_s": 1.0})) as runner:
        started = time.monotonic()
        with pytest.raises(Unhealthy, match="not ready within 1 s"):
            runner.start(specify("hanging", "import time\ntime.sleep(60)\n"))
        assert time.monotonic() - started < 5
    assert eventually(lambda: not containers_of_this_process(engine))


@pytest.mark.engine
def test_given_an_import_that_eats_memory_when_started_then_unhealthy_names_memory_r27(
    docker_runner: Runner, specify: Specify
) -> None:
    source = "import os\nheld = [os.urandom(1 << 20) for _ in range(1000)]\n"
    with pytest.raises(Unhealthy, match="memory"):
        docker_runner.start(specify("hungry", source))


@pytest.mark.engine
def test_given_an_import_that_leaves_processes_when_ready_then_they_are_gone_r27(
    docker_runner: Runner, specify: Specify
) -> None:
    source = f"{ACTION}\nimport os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(60)\n"
    with docker_runner.start(specify("spawning", source + LISTING)) as instance:
        assert instance.call("processes", {}).value == 2


@pytest.mark.engine
def test_given_a_frozen_box_when_past_the_deadline_then_the_host_ends_it(
    docker_runner: Runner, specify: Specify, engine: docker.DockerClient
) -> None:
    with docker_runner.start(specify("greeter")) as instance:
        (container,) = engine.containers.list(filters={"label": f"{OWNER_LABEL}={this_owner()}"})
        container.pause()
        started = time.monotonic()
        with pytest.raises(CallTimeout):
            instance.call("wait", {"seconds": 0}, deadline_s=0.5)
        assert 0.7 < time.monotonic() - started < 3
        assert instance.call("greet", {"name": "Ann"}).value["calls"] == 1


@pytest.mark.engine
def test_given_a_box_killed_from_outside_when_called_then_it_is_replaced_unseen_r30(
    docker_runner: Runner, specify: Specify, engine: docker.DockerClient
) -> None:
    with docker_runner.start(specify("greeter")) as instance:
        (container,) = engine.containers.list(filters={"label": f"{OWNER_LABEL}={this_owner()}"})
        container.kill()
        assert eventually(lambda: not containers_of_this_process(engine))
        assert instance.call("greet", {"name": "Ann"}).value["text"] == "hello Ann"


def test_given_a_call_under_way_when_another_waits_too_long_then_busy(
    sandbox_settings: SandboxSettings, specify: Specify
) -> None:
    with ProcessRunner(sandbox_settings.model_copy(update={"queue_timeout_s": 0.2, "concurrency": 1})) as runner:
        instance = runner.start(specify("greeter"))
        thread = threading.Thread(target=instance.call, args=("wait", {"seconds": 1}))
        thread.start()
        time.sleep(0.1)
        with pytest.raises(Busy):
            instance.call("greet", {"name": "Ann"})
        thread.join()
        assert instance.call("greet", {"name": "Ann"}).value["calls"] == 1


def test_given_a_closed_instance_when_called_then_refused_and_closing_twice_is_harmless(
    runner: Runner, specify: Specify
) -> None:
    instance = runner.start(specify("greeter"))
    instance.close()
    instance.close()
    with pytest.raises(StateConflict):
        instance.call("greet", {"name": "Ann"})


def test_given_a_call_under_way_when_closed_then_it_ends_at_once(runner: Runner, specify: Specify) -> None:
    instance = runner.start(specify("greeter", limits=Limits(deadline_s=30)))
    errors: list[BaseException] = []

    def call() -> None:
        try:
            instance.call("wait", {"seconds": 20})
        except Crashed as error:
            errors.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    time.sleep(0.3)
    started = time.monotonic()
    instance.close()
    thread.join(10)
    assert errors
    assert time.monotonic() - started < 5


def test_given_an_input_over_the_limit_when_called_then_too_large(runner: Runner, specify: Specify) -> None:
    with runner.start(specify("greeter")) as instance:
        with pytest.raises(TooLarge):
            instance.call("greet", {"name": "x" * (5 << 20)})
        assert len(instance.call("greet", {"name": "x" * (3 << 20)}).value["text"]) > 3 << 20


def test_given_a_call_when_it_ends_then_its_use_is_measured(runner: Runner, specify: Specify) -> None:
    source = ACTION + USE
    with runner.start(specify("using", source)) as instance:
        usage = instance.call("use", {}).usage
    assert usage.cpu_ms is not None
    assert usage.peak_mib is not None
    assert 20 < usage.cpu_ms < usage.wall_ms * 1.5
    assert 50 < usage.peak_mib < LIMITS.memory_mib


def host_process(kind: str, spec: RunSpec, settings: SandboxSettings, log: Path) -> Process:
    """A host with an idle instance and one in the middle of a call."""
    program = HOST.format(
        module=f"{kind}_runner",
        runner=f"{kind.title()}Runner",
        run_dir=str(settings.run_dir),
        cache=str(settings.cache),
        runtime=RUNTIME,
        wheel=str(spec.wheels[0]),
    )
    host = Process([sys.executable, "-c", program], log=log, env=os.environ | {"PYTHONPATH": str(REPOSITORY)})
    host.wait_until(lambda: "ready" in host.log_tail())
    time.sleep(0.2)
    return host


def assert_folders_are_swept(settings: SandboxSettings) -> None:
    assert any(map(folder_is_orphaned, folders_of(settings)))
    ProcessRunner(settings).close()
    assert not any(map(folder_is_orphaned, folders_of(settings)))


def test_given_a_host_that_is_killed_when_it_ran_processes_then_they_are_gone_r30(
    specify: Specify, tmp_path: Path, sandbox_settings: SandboxSettings
) -> None:
    with host_process("process", specify("greeter"), sandbox_settings, tmp_path / "log") as host:
        boxes = descendants(host.pid)
        assert len(boxes) >= 4
        os.kill(host.pid, signal.SIGKILL)
        assert eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in boxes))
    assert_folders_are_swept(sandbox_settings)


@pytest.mark.engine
def test_given_a_host_that_is_killed_when_it_ran_containers_then_they_are_gone_r30(
    engine: docker.DockerClient, specify: Specify, tmp_path: Path, sandbox_settings: SandboxSettings
) -> None:
    def left(pid: int) -> list[str]:
        found = engine.api.containers(all=True, filters={"label": OWNER_LABEL})
        return [one["Id"] for one in found if f":{pid}:" in one["Labels"][OWNER_LABEL]]

    with host_process("docker", specify("greeter"), sandbox_settings, tmp_path / "log") as host:
        assert len(left(host.pid)) == 2
        os.kill(host.pid, signal.SIGKILL)
        assert eventually(lambda: not left(host.pid))
    assert_folders_are_swept(sandbox_settings)


@pytest.mark.engine
def test_given_a_container_of_a_dead_owner_when_a_runner_starts_then_it_is_swept_and_others_are_not(
    engine: docker.DockerClient, docker_runner: DockerRunner, sandbox_settings: SandboxSettings
) -> None:
    base = docker_runner.info().detail["base_image"].split()[0]
    program = "from capmart_sandbox.owners import this_owner; print(this_owner())"
    dead = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()
    foreign = "other-machine.1:1:1"
    command = ["/opt/python/bin/python3", "-c", "0"]
    made = {
        owner: engine.api.create_container(base, command, labels={OWNER_LABEL: owner})["Id"]
        for owner in (dead, foreign)
    }
    try:
        with DockerRunner(sandbox_settings):
            left = {one["Id"] for one in engine.api.containers(all=True, filters={"label": OWNER_LABEL})}
            assert made[dead] not in left
            assert made[foreign] in left
    finally:
        engine.api.remove_container(made[foreign], force=True)


def test_given_no_engine_when_a_runner_is_made_then_it_says_so(
    monkeypatch: pytest.MonkeyPatch, sandbox_settings: SandboxSettings
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    with pytest.raises(EngineUnavailable):
        DockerRunner(sandbox_settings)
