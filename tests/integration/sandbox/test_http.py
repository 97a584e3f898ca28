"""Components that speak HTTP, and those that speak it badly."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from capmart_core.errors import (
    ActionNotFound,
    BadResult,
    Busy,
    CallTimeout,
    ComponentRaised,
    Crashed,
    OutOfMemory,
    OutputTooLarge,
    Unhealthy,
)
from capmart_core.manifest.models import Http, Limits
from capmart_core.ports.runner import Instance, Runner
from capmart_sandbox.docker_runner import DockerRunner
from capmart_sandbox.process_runner import ProcessRunner
from capmart_sandbox.settings import SandboxSettings
from tests.integration.sandbox.conftest import Specify

HTTP = Http(port=8080, health="/healthz")
PATHS = {name: f"/api/{name}" for name in ("add", "refuse", "sleep", "drip", "large", "text", "crash", "eat", "none")}
LIMITS = Limits(memory_mib=128, deadline_s=3)


@pytest.fixture(scope="module", params=["process", pytest.param("docker", marks=pytest.mark.engine)])
def service(request: pytest.FixtureRequest, specify: Specify) -> Iterator[Instance]:
    runner: Runner = request.getfixturevalue(f"{request.param}_runner")
    spec = specify("service", entry="service:main", http=HTTP, paths=PATHS, limits=LIMITS)
    with runner.start(spec) as instance:
        yield instance


@pytest.fixture(autouse=True)
def next_call_is_fine(service: Instance) -> Iterator[None]:
    yield
    assert service.call("add", {"a": 1, "b": 2}).value["sum"] == 3


def connect(path: Path | None) -> http.client.HTTPConnection:
    assert path is not None
    connection = http.client.HTTPConnection("localhost", timeout=5)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(path))
    return connection


def test_given_many_clients_when_they_come_at_once_then_they_are_served_side_by_side(service: Instance) -> None:
    started = time.monotonic()
    threads = [threading.Thread(target=service.call, args=("sleep", {"seconds": 0.5})) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - started < 2.5


def test_given_one_connection_when_used_again_then_it_is_kept(service: Instance) -> None:
    connection = connect(service.socket)
    for _ in range(50):
        connection.request("GET", "/anything")
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"ok")
    connection.close()


def test_given_a_refusal_when_called_then_its_detail_is_the_reason(service: Instance) -> None:
    with pytest.raises(ComponentRaised, match="not suitable"):
        service.call("refuse", {})


def test_given_a_status_without_detail_when_called_then_the_status_is_the_reason(service: Instance) -> None:
    with pytest.raises(ComponentRaised, match="HTTP 404"):
        service.call("none", {})


def test_given_an_action_without_a_path_when_called_then_not_found(service: Instance) -> None:
    with pytest.raises(ActionNotFound, match="add"):
        service.call("other", {})


def test_given_a_slow_answer_when_past_its_deadline_then_timeout(service: Instance) -> None:
    started = time.monotonic()
    with pytest.raises(CallTimeout):
        service.call("sleep", {"seconds": 2}, deadline_s=0.5)
    assert time.monotonic() - started < 1.5


def test_given_an_answer_that_drips_when_past_its_deadline_then_timeout_r29(service: Instance) -> None:
    started = time.monotonic()
    with pytest.raises(CallTimeout):
        service.call("drip", {}, deadline_s=0.5)
    assert time.monotonic() - started < 1.5


def test_given_a_large_answer_when_over_the_limit_then_refused(service: Instance) -> None:
    with pytest.raises(OutputTooLarge):
        service.call("large", {})


def test_given_an_answer_that_is_no_json_when_called_then_bad_result(service: Instance) -> None:
    with pytest.raises(BadResult):
        service.call("text", {})


def test_given_a_crash_when_called_then_crashed_and_started_again(service: Instance) -> None:
    before = service.call("add", {"a": 1, "b": 1}).value
    with pytest.raises(Crashed, match="SIGSEGV") as crashed:
        service.call("crash", {})
    assert "about to crash" in str(crashed.value.data["log"])
    assert service.call("add", {"a": 1, "b": 1}).value["sum"] == before["sum"]


@pytest.mark.engine
def test_given_an_application_that_eats_memory_when_called_then_oom(
    docker_runner: DockerRunner, specify: Specify
) -> None:
    spec = specify("service", entry="service:main", http=HTTP, paths=PATHS, limits=LIMITS)
    with docker_runner.start(spec) as instance, pytest.raises(OutOfMemory):
        instance.call("eat", {})


@pytest.mark.parametrize(("entry", "said"), [("never", "does not listen"), ("dies", "no configuration")])
def test_given_a_service_that_does_not_come_up_when_started_then_unhealthy_with_its_log_r29(
    sandbox_settings: SandboxSettings, specify: Specify, entry: str, said: str
) -> None:
    spec = specify("service", entry=f"service:{entry}", http=HTTP, paths=PATHS, limits=LIMITS)
    with (
        ProcessRunner(sandbox_settings.model_copy(update={"start_timeout_s": 1.5})) as runner,
        pytest.raises(Unhealthy, match=said),
    ):
        runner.start(spec)


def test_given_a_service_that_crashes_again_when_called_then_it_waits_before_its_next_start(
    sandbox_settings: SandboxSettings, specify: Specify
) -> None:
    spec = specify("service", entry="service:main", http=HTTP, paths=PATHS, limits=LIMITS)
    with ProcessRunner(sandbox_settings) as runner, runner.start(spec) as instance:
        for _ in range(2):
            with pytest.raises(Crashed):
                instance.call("crash", {})
        with pytest.raises(Busy) as busy:
            instance.call("add", {"a": 1, "b": 1})
        assert 1 <= int(str(busy.value.data["retry_after"])) <= 2
