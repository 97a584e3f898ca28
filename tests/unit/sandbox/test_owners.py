import subprocess
import sys

import pytest

from capmart_sandbox.owners import owner_is_gone, this_owner


def test_given_this_process_when_judged_then_it_is_here() -> None:
    assert not owner_is_gone(this_owner())


def test_given_a_process_that_ended_when_judged_then_it_is_gone() -> None:
    program = "from capmart_sandbox.owners import this_owner; print(this_owner())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert owner_is_gone(done.stdout.strip())


def test_given_a_reused_process_id_when_judged_then_it_does_not_pass_for_the_owner() -> None:
    machine, pid, started = this_owner().split(":")
    assert owner_is_gone(f"{machine}:{pid}:{int(started) - 1}")


@pytest.mark.parametrize("owner", ["", "x", "other-machine:1:1", ":::", "other.123:7:8"])
def test_given_the_owner_of_another_machine_when_judged_then_it_is_not_ours_to_say(owner: str) -> None:
    assert not owner_is_gone(owner)
