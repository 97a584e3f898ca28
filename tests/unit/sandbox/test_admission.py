"""Places for calls: bounded, shared among tenants, given back whatever happens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from capmart_core.errors import Busy, NoResult
from capmart_core.manifest.models import Limits, PythonDelivery
from capmart_core.metrics import exposition
from capmart_core.ports.runner import RunSpec
from capmart_sandbox.admission import Admission, FairSlots

WAIT_S = 10.0


def spec(tenant: str = "one", name: str = "acme/sum@1.0.0") -> RunSpec:
    delivery = PythonDelivery(entry="m", runtimes=("python3.11-any",))
    return RunSpec(name, "sha256:" + "0" * 64, delivery, limits=Limits(deadline_s=0.2), tenant=tenant)


def until(check: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_S
    while not check():
        assert time.monotonic() < end
        time.sleep(0.002)


def queued(slots: FairSlots, order: list[str], tenants: str) -> list[threading.Thread]:
    """A waiting call for each letter, in that order."""

    def wait(tenant: str) -> None:
        assert slots.acquire(tenant, WAIT_S)
        order.append(tenant)

    threads = []
    for count, tenant in enumerate(tenants, 1):
        threads.append(threading.Thread(target=wait, args=(tenant,)))
        threads[-1].start()
        until(lambda count=count: slots.waiting == count)  # type: ignore[misc]
    return threads


def test_given_a_tenant_with_many_waiting_calls_when_another_comes_then_it_does_not_wait_behind_them() -> None:
    slots, order = FairSlots(3), list[str]()
    for tenant in "azy":
        assert slots.acquire(tenant, 0)
    threads = queued(slots, order, "aaab")
    for left, expected in (("z", "b"), ("y", "ba"), ("a", "baa"), ("a", "baaa")):
        slots.release(left)
        until(lambda expected=expected: "".join(order) == expected)  # type: ignore[misc]
    for thread in threads:
        thread.join(WAIT_S)


def test_given_a_tenant_that_wants_all_when_it_has_all_but_one_then_it_waits_and_others_do_not() -> None:
    slots = FairSlots(3)
    assert slots.acquire("a", 0)
    assert slots.acquire("a", 0)
    assert not slots.acquire("a", 0.01)
    assert slots.acquire("b", 0)
    assert slots.running == 3
    assert slots.waiting == 0


def test_given_one_place_when_a_tenant_is_alone_then_it_has_it() -> None:
    slots = FairSlots(1)
    assert slots.acquire("a", 0)
    assert not slots.acquire("b", 0.01)
    slots.release("a")
    assert slots.acquire("b", 0)


def test_given_many_threads_when_they_take_and_give_back_then_no_place_is_lost_and_none_given_twice() -> None:
    slots, most, lock, now = FairSlots(3), [0], threading.Lock(), [0]

    def work(tenant: str) -> None:
        for _ in range(100):
            if slots.acquire(tenant, 0.002):
                with lock:
                    now[0] += 1
                    most[0] = max(most[0], now[0])
                time.sleep(0.0001)
                with lock:
                    now[0] -= 1
                slots.release(tenant)

    threads = [threading.Thread(target=work, args=(tenant,)) for tenant in "aabbccdd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] <= 3
    assert (slots.running, slots.waiting) == (0, 0)
    assert all(slots.acquire(tenant, 0) for tenant in "abc")


def test_given_no_place_when_a_call_comes_then_busy_says_when_to_come_back_and_it_is_counted() -> None:
    admission = Admission(1, WAIT_S)
    with admission.call(spec()), pytest.raises(Busy) as caught, admission.call(spec("other")):
        pass
    assert caught.value.data["retry_after"] == 1
    text = exposition(admission.metrics())
    assert 'capmart_sandbox_calls_total{component="acme/sum@1.0.0",outcome="busy"} 1' in text
    assert 'capmart_sandbox_calls_total{component="acme/sum@1.0.0",outcome="ok"} 1' in text
    assert "capmart_sandbox_calls_running 0" in text


def test_given_a_call_that_fails_when_it_ends_then_its_place_is_free_and_its_code_counted() -> None:
    admission = Admission(1, WAIT_S)
    for _ in range(3):
        with pytest.raises(NoResult), admission.call(spec()):
            raise NoResult(component="acme/sum", action="add")
    admission.box_started("pool")
    text = exposition(admission.metrics())
    assert 'outcome="no_result"} 3' in text
    assert 'capmart_sandbox_boxes_started_total{from="pool"} 1' in text
