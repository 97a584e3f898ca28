"""Each call that a limit ends says which one, and what it used until then."""

from __future__ import annotations

from typing import Any

import pytest

from capmart_core.errors import CallTimeout, ComponentFailed, ComponentRaised, OutOfMemory, OutputTooLarge
from capmart_core.ports.runner import Instance
from tests.integration.sandbox.conftest import LIMITS

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
