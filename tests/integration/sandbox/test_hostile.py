"""Hostile components against the real engine: the call ends with its own error, the next one finds everything well.

The names end in the row of the fault table that they inject.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from capmart_core.errors import (
    BadResult,
    CallTimeout,
    ComponentFailed,
    ComponentRaised,
    Crashed,
    NoResult,
    OutOfMemory,
    OutputTooLarge,
)
from capmart_core.ports.runner import Instance

pytestmark = pytest.mark.engine

CLOSED = {"EPERM", "EACCES", "EROFS", "ENOSYS", "ENETUNREACH", "EAFNOSUPPORT", "ENOENT", "EPROTONOSUPPORT"}


@pytest.fixture(autouse=True)
def next_call_is_fine(hostile: Instance) -> Iterator[None]:
    yield
    assert hostile.call("hello", {"name": "next"}).value == "hello next 1"
    assert hostile.call("list_files", {}).value == []
    assert hostile.call("processes", {}).value == [1]


def elapsed(hostile: Instance, action: str, value: object, expected: type[ComponentFailed], **options: float) -> float:
    started = time.monotonic()
    with pytest.raises(expected):
        hostile.call(action, value, **options)
    return time.monotonic() - started


def test_given_more_memory_than_the_limit_when_allocated_then_oom_r1(hostile: Instance) -> None:
    assert elapsed(hostile, "allocate", {"mib": 300}, OutOfMemory) < 2.5


def test_given_many_processes_over_the_limit_when_allocating_then_the_runner_survives_r2(hostile: Instance) -> None:
    with pytest.raises((OutOfMemory, CallTimeout)):
        hostile.call("allocate_in_many", {"count": 40, "mib": 4}, deadline_s=2)


def test_given_a_sleeper_when_past_its_deadline_then_timeout_in_time_r3(hostile: Instance) -> None:
    hostile.call("hello", {})
    assert 0.5 <= elapsed(hostile, "sleep", {"seconds": 30}, CallTimeout, deadline_s=0.5) < 0.75


def test_given_a_busy_loop_deaf_to_signals_when_past_its_deadline_then_killed_r4(hostile: Instance) -> None:
    assert elapsed(hostile, "busy", {}, CallTimeout, deadline_s=0.5) < 1.0


def test_given_a_daemon_left_behind_when_answered_then_prompt_and_gone_r5(hostile: Instance) -> None:
    started = time.monotonic()
    assert hostile.call("daemon", {}).value == "done"
    assert time.monotonic() - started < 1.0


def test_given_a_fork_bomb_when_past_its_deadline_then_dead_and_the_box_healthy_r6(hostile: Instance) -> None:
    assert elapsed(hostile, "fork_bomb", {}, CallTimeout, deadline_s=0.5) < 1.5


def test_given_a_thread_bomb_when_at_the_limit_then_its_own_error_r7(hostile: Instance) -> None:
    with pytest.raises(ComponentRaised, match="thread"):
        hostile.call("thread_bomb", {})


def test_given_a_full_temporary_folder_when_writing_then_no_space_r8(hostile: Instance) -> None:
    assert hostile.call("fill", {}).value == {"mib": 16, "error": 28}


def test_given_files_left_behind_when_the_next_call_looks_then_none_r9(hostile: Instance) -> None:
    assert hostile.call("leave_files", {}).value >= 3


def test_given_a_segmentation_fault_when_it_dies_then_crashed_r11(hostile: Instance) -> None:
    with pytest.raises(Crashed, match="SIGSEGV"):
        hostile.call("segfault", {})


def test_given_an_exit_without_an_answer_when_it_ends_then_no_result_r12(hostile: Instance) -> None:
    with pytest.raises(NoResult):
        hostile.call("leave", {})
    with pytest.raises(NoResult):
        hostile.call("system_exit", {})
    with pytest.raises(Crashed, match="exit code 3"):
        hostile.call("leave", {"code": 3})


def test_given_signals_to_everything_when_sent_then_harmless_r13(hostile: Instance) -> None:
    assert hostile.call("kill_all", {}).value == "survived"


def test_given_the_runner_when_looked_into_then_closed_r14_r15(hostile: Instance) -> None:
    outcomes = hostile.call("look_into_runner", {}).value
    assert set(outcomes.values()) <= {"EPERM", "EACCES"}, outcomes


def test_given_an_answer_before_its_time_when_forged_then_only_its_own_call_has_it_r16(hostile: Instance) -> None:
    assert hostile.call("forge", {"own_id": True}).value == "forged"


def test_given_an_answer_to_another_call_when_forged_then_the_call_crashes_r16(hostile: Instance) -> None:
    with pytest.raises(Crashed, match="forged"):
        hostile.call("forge", {"own_id": False})


def test_given_a_large_result_when_over_the_limit_then_output_too_large_or_oom_r17(hostile: Instance) -> None:
    with pytest.raises(OutputTooLarge):
        hostile.call("large", {"mib": 5})
    with pytest.raises(OutOfMemory):
        hostile.call("large", {"mib": 100})


@pytest.mark.parametrize("kind", ["set", "nan", "cyclic", "deep", "bytes"])
def test_given_a_result_that_is_no_json_when_returned_then_bad_result_r18(hostile: Instance, kind: str) -> None:
    with pytest.raises(BadResult):
        hostile.call("bad", {"kind": kind})


def test_given_a_flood_of_output_when_printed_then_capped_and_counted_r19(hostile: Instance) -> None:
    result = hostile.call("flood", {"mib": 200})
    assert len(result.log) == 64 * 1024
    assert result.log_dropped == (200 << 20) - 64 * 1024


def test_given_ugly_output_when_printed_then_escaped_r20(hostile: Instance) -> None:
    assert hostile.call("ugly", {}).log == "\\x1b[31mred\\x1b[0m \\xff\\xfe \\x07 产 no newline"


def test_given_no_network_when_reaching_out_then_nothing_answers_r21(hostile: Instance) -> None:
    outcomes = hostile.call("reach_out", {}).value
    assert set(outcomes.values()) <= CLOSED, outcomes


def test_given_a_hardened_box_when_breaking_out_then_every_door_is_closed_r23_r24(hostile: Instance) -> None:
    outcomes = hostile.call("break_out", {}).value
    assert set(outcomes.values()) <= CLOSED, outcomes
    assert outcomes["memfd"] == "EPERM"
    assert outcomes["io_uring"] == "ENOSYS"


def test_given_code_in_the_temporary_folder_when_loaded_then_refused_r25(hostile: Instance) -> None:
    assert "failed to map segment" in hostile.call("load_library", {}).value
    assert hostile.call("execute", {}).value == "EACCES"


def test_given_a_patched_interpreter_when_the_next_call_looks_then_nothing_of_it_is_there_r28(
    hostile: Instance,
) -> None:
    first, second = secrets.token_hex(12), secrets.token_hex(12)
    with suppress(ComponentFailed):  # its own call may suffer
        hostile.call("patch", {"secret": first + second})
    seen = hostile.call("scan", {"first": first, "second": second}).value
    assert seen == {"found": 0, "environ": False, "seen": 0}


def test_given_a_weakened_runner_when_the_call_ends_then_the_box_is_replaced(hostile: Instance) -> None:
    assert hostile.call("weaken", {}).value == "done"


def test_given_a_refusal_and_a_fault_when_raised_then_the_reason_in_both_languages(hostile: Instance) -> None:
    with pytest.raises(ComponentRaised) as refused:
        hostile.call("refuse", {})
    assert (refused.value.message("en")[-12:], refused.value.message("zh")[-3:]) == ("not suitable", "不合适")
    assert refused.value.data["refused"] is True
    with pytest.raises(ComponentRaised, match="KeyError") as failed:
        hostile.call("fail", {})
    assert 'return {"a": 1}["b"]' in str(failed.value.data["detail"])
