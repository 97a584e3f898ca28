"""The profile says what its documentation says; that the engine enforces it is tested against the engine."""

from __future__ import annotations

import json
from typing import Any

import pytest

from capmart_sandbox import seccomp

NEVER = (
    *("io_uring_setup", "io_uring_enter", "memfd_create", "memfd_secret", "ptrace", "process_vm_readv", "pidfd_getfd"),
    *("keyctl", "add_key", "request_key", "bpf", "userfaultfd", "perf_event_open", "unshare", "setns", "mount", "kcmp"),
    *("umount2", "pivot_root", "init_module", "kexec_load", "open_by_handle_at", "modify_ldt", "vmsplice", "clone3"),
)
LASTING = ("shmget", "semget", "msgget", "mq_open")


def allowed(*, lasting_ipc: bool) -> dict[str, list[list[dict[str, Any]]]]:
    rules: dict[str, list[list[dict[str, Any]]]] = {}
    for rule in json.loads(seccomp.profile(lasting_ipc=lasting_ipc))["syscalls"]:
        if rule["action"] == "SCMP_ACT_ALLOW":
            for name in rule["names"]:
                rules.setdefault(name, []).append(rule["args"])
    return rules


def test_given_either_profile_when_read_then_it_refuses_by_default() -> None:
    for lasting_ipc in (False, True):
        assert json.loads(seccomp.profile(lasting_ipc=lasting_ipc))["defaultAction"] == "SCMP_ACT_ERRNO"


@pytest.mark.parametrize("name", NEVER)
def test_given_a_dangerous_call_when_looked_up_then_neither_profile_allows_it(name: str) -> None:
    assert name not in allowed(lasting_ipc=False)
    assert name not in allowed(lasting_ipc=True)


@pytest.mark.parametrize("name", LASTING)
def test_given_what_outlives_a_call_when_looked_up_then_only_applications_have_it(name: str) -> None:
    assert name not in allowed(lasting_ipc=False)
    assert name in allowed(lasting_ipc=True)


def test_given_calls_with_conditions_when_looked_up_then_none_is_allowed_without() -> None:
    rules = allowed(lasting_ipc=True)
    for name in ("clone", "socket", "personality"):
        assert all(arguments for arguments in rules[name]), name
    assert rules["clone"][0][0]["value"] & 0x1000_0000, "a new user namespace is among what is masked out"
