"""Calls at the same time: how many run, how many wait, who is turned away, and what is left when it is quiet."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import docker
import pytest

from capmart_core.errors import Busy, CapmartError, StateConflict
from capmart_core.manifest.models import Limits
from capmart_core.ports.runner import Instance, Runner
from capmart_sandbox.docker_runner import DockerRunner
from capmart_sandbox.process_runner import ProcessRunner
from capmart_sandbox.settings import SandboxSettings
from tests.integration.sandbox.conftest import Specify, containers_of_this_process, eventually

SLOW = """
import os
import time

from capmart_component import action

CALLS = []


@action(title_zh="等待", title_en="Wait")
def wait(seconds: float) -> str:
    CALLS.append(1)
    time.sleep(seconds)
    return f"{os.uname().nodename}:{os.getppid()}:{len(CALLS)}"
"""
PATIENT = Limits(memory_mib=64, deadline_s=20)


def all_at_once(count: int, work: Callable[[], str]) -> list[Future[str]]:
    start = threading.Barrier(count)

    def one() -> str:
        start.wait(30)
        return work()

    with ThreadPoolExecutor(count) as pool:
        return [pool.submit(one) for _ in range(count)]


def wait(instance: Instance, seconds: float) -> str:
    return str(instance.call("wait", {"seconds": seconds}).value)


def test_given_as_many_calls_as_may_run_when_made_at_once_then_each_has_a_box_of_its_own(
    runner: Runner, specify: Specify
) -> None:
    with runner.start(specify("slow", SLOW, limits=PATIENT)) as instance:
        answers = [one.result() for one in all_at_once(4, lambda: wait(instance, 1.5))]
        assert len({answer.rpartition(":")[0] for answer in answers}) == 4
        assert {answer.rpartition(":")[2] for answer in answers} == {"1"}, "a call sees what another left"


def test_given_more_calls_than_may_run_and_wait_then_the_rest_is_turned_away_and_the_others_end_well(
    sandbox_settings: SandboxSettings, specify: Specify
) -> None:
    with ProcessRunner(sandbox_settings.model_copy(update={"concurrency": 2})) as runner:
        instance = runner.start(specify("slow", SLOW, limits=PATIENT))
        outcomes = [one.exception() for one in all_at_once(10, lambda: wait(instance, 1.0))]
    turned_away = [error for error in outcomes if error is not None]
    assert len(turned_away) == 4
    assert all(isinstance(error, Busy) and error.data["retry_after"] == 20 for error in turned_away)


def test_given_a_resident_component_when_called_at_once_then_one_process_answers_all(
    runner: Runner, specify: Specify
) -> None:
    with runner.start(specify("slow", SLOW, limits=PATIENT, isolation="resident")) as instance:
        answers = [one.result() for one in all_at_once(3, lambda: wait(instance, 0.2))]
        assert len({answer.rpartition(":")[0] for answer in answers}) == 1
        assert {answer.rpartition(":")[2] for answer in answers} == {"1", "2", "3"}


@pytest.mark.engine
def test_given_boxes_that_nobody_needs_any_more_then_all_but_one_end(
    sandbox_settings: SandboxSettings, specify: Specify, engine: docker.DockerClient
) -> None:
    before = set(containers_of_this_process(engine))
    with DockerRunner(sandbox_settings.model_copy(update={"idle_s": 0.5})) as runner:
        instance = runner.start(specify("slow", SLOW, limits=PATIENT))
        for one in all_at_once(3, lambda: wait(instance, 1.5)):
            one.result()
        assert eventually(lambda: len(set(containers_of_this_process(engine)) - before) == 1, within_s=20)
        assert wait(instance, 0).endswith(":1")
    assert eventually(lambda: set(containers_of_this_process(engine)) <= before)


def test_given_calls_that_run_and_wait_when_closed_then_all_of_them_end(
    sandbox_settings: SandboxSettings, specify: Specify
) -> None:
    with ProcessRunner(sandbox_settings.model_copy(update={"concurrency": 1})) as runner:
        instance = runner.start(specify("slow", SLOW, limits=PATIENT))
        with ThreadPoolExecutor(2) as pool:
            calls = [pool.submit(wait, instance, 15.0) for _ in range(2)]
            time.sleep(1)
            instance.close()
            errors = [call.exception(timeout=10) for call in calls]
    assert all(isinstance(error, CapmartError) for error in errors)
    assert any(isinstance(error, StateConflict) for error in errors)
