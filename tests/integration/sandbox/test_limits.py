"""Each call that a limit ends says which one, and what it used until then."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any

import pytest

from capmart_core.errors import (
    Busy,
    CallTimeout,
    ComponentFailed,
    ComponentRaised,
    NoResult,
    OutOfMemory,
    OutputTooLarge,
)
from capmart_core.metrics import exposition
from capmart_core.ports.runner import Instance
from capmart_sandbox.docker_runner import DockerRunner
from capmart_sandbox.settings import SandboxSettings
from tests.integration.sandbox.conftest import LIMITS, Specify

pytestmark = pytest.mark.engine


def ended(instance: Instance, action: str, value: Any, expected: type[ComponentFailed], **options: float) -> Any:
    with pytest.raises(expected) as caught:
        instance.call(action, value, **options)
    return caught.value.data


def test_given_a_deadline_when_it_ends_a_call_then_it_is_named_with_time_and_processor(hostile: Instance) -> None:
    data = ended(hostile, "busy", {}, CallTimeout, deadline_s=0.5)
    assert data["ended_by"] == "deadline"
    assert 500 <= data["wall_ms"] < 2500
    assert 50 < data["cpu_ms"] < data["wall_ms"] * 1.5


def test_given_a_sleeper_when_its_deadline_ends_it_then_it_used_no_processor(hostile: Instance) -> None:
    data = ended(hostile, "sleep", {"seconds": 9}, CallTimeout, deadline_s=0.5)
    assert data["cpu_ms"] < 250
    assert data["log"] == "asleep\n"


def test_given_the_memory_limit_when_it_ends_a_call_then_it_is_named_with_the_peak(hostile: Instance) -> None:
    data = ended(hostile, "allocate", {"mib": 300}, OutOfMemory)
    assert data["ended_by"] == "memory"
    assert LIMITS.memory_mib / 2 < data["peak_mib"] <= LIMITS.memory_mib + 16  # shared pages count, too
    assert data["wall_ms"] > 0


def test_given_a_full_folder_in_memory_when_more_is_allocated_then_memory_is_named_r10(hostile: Instance) -> None:
    assert ended(hostile, "fill_and_allocate", {"mib": 120}, OutOfMemory)["ended_by"] == "memory"
    assert hostile.call("fill", {}).value == {"mib": 16, "error": 28}, "its folder counts for the next call"


def test_given_the_limit_of_processes_when_a_call_fails_at_it_then_it_is_named(hostile: Instance) -> None:
    data = ended(hostile, "thread_bomb", {}, ComponentRaised)
    assert data["ended_by"] == "pids"


def test_given_a_large_answer_when_refused_then_output_is_named(hostile: Instance) -> None:
    data = ended(hostile, "large", {"mib": 5}, OutputTooLarge)
    assert data["ended_by"] == "output"
    assert data["wall_ms"] > 0


def test_given_a_failure_of_its_own_when_no_limit_was_met_then_none_is_named(hostile: Instance) -> None:
    with_bomb_before = ended(hostile, "thread_bomb", {}, ComponentRaised)
    assert with_bomb_before["ended_by"] == "pids"
    assert ended(hostile, "fail", {}, ComponentRaised)["ended_by"] is None


def test_given_calls_when_counted_then_each_by_how_it_ended(docker_runner: DockerRunner, specify: Specify) -> None:
    spec = specify("hostile", component="trusted/counted@1.0.0")
    with docker_runner.start(spec) as instance:
        for _ in range(3):
            instance.call("hello", {})
        ended(instance, "leave", {}, NoResult)
    text = exposition(docker_runner.metrics())
    assert 'capmart_sandbox_calls_total{component="trusted/counted@1.0.0",outcome="ok"} 3\n' in text
    assert 'capmart_sandbox_calls_total{component="trusted/counted@1.0.0",outcome="no_result"} 1\n' in text
    assert 'capmart_sandbox_call_seconds_total{component="trusted/counted@1.0.0"} ' in text
    assert 'capmart_sandbox_boxes_started_total{from="nothing"} ' in text


def test_given_one_place_when_a_tenant_has_it_then_another_waits_for_it_and_is_not_forgotten(
    sandbox_settings: SandboxSettings, specify: Specify
) -> None:
    settings = sandbox_settings.model_copy(update={"running_calls": 2})
    answers: list[object] = []
    with (
        DockerRunner(settings) as runner,
        runner.start(specify("hostile", tenant="greedy")) as greedy,
        runner.start(specify("hostile", tenant="modest")) as modest,
    ):

        def hog() -> None:
            with suppress(Busy):
                answers.append(greedy.call("sleep", {"seconds": 2}).value)

        threads = [threading.Thread(target=hog) for _ in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        started = time.monotonic()
        assert modest.call("hello", {}).value == "hello world 1"
        assert time.monotonic() - started < 1.5, "it waited behind another tenant's calls"
        for thread in threads:
            thread.join()
        assert "capmart_sandbox_calls_running 0" in exposition(runner.metrics())
    assert answers
    assert len(answers) < 4, "the greedy had more than its share"


def test_given_many_first_calls_at_once_then_no_more_boxes_start_than_may_run_and_none_gets_a_wrong_answer_r30(
    sandbox_settings: SandboxSettings, specify: Specify
) -> None:
    outcomes: list[object] = []
    with DockerRunner(sandbox_settings) as runner, runner.start(specify("hostile")) as instance:

        def first(number: int) -> None:
            try:
                outcomes.append(instance.call("hello", {"name": str(number)}).value == f"hello {number} 1")
            except Busy as error:
                outcomes.append(error.data["retry_after"] == 3)

        threads = [threading.Thread(target=first, args=(number,)) for number in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        started = next(one for one in runner.metrics() if one.name == "capmart_sandbox_boxes_started_total")
    assert outcomes == [True] * 50
    assert sum(started.samples.values()) <= sandbox_settings.concurrency
