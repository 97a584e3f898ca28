"""Containers started beforehand: who gets one, that nobody gets it twice, and that none is left."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import docker
import pytest

from capmart_core.errors import OutOfMemory
from capmart_core.manifest.models import Limits
from capmart_core.ports.runner import RunSpec
from capmart_sandbox.docker_runner import DockerRunner
from capmart_sandbox.owners import OWNER_LABEL, this_owner
from capmart_sandbox.settings import SandboxSettings
from tests.integration.sandbox.conftest import LIMITS, Specify, containers_of_this_process, eventually
from tests.support.packages import make_wheel

pytestmark = pytest.mark.usefixtures("engine")

WHERE = """
import os
from pathlib import Path

from capmart_component import action

MARK = Path("/tmp/mark")


@action(title_zh="主机名", title_en="Host")
def host() -> str:
    return os.uname().nodename


@action(title_zh="痕迹", title_en="Traces")
def traces() -> list[str]:
    found = sorted(os.listdir("/tmp")) + sorted(os.listdir("/capmart/io"))
    MARK.write_text("here")
    return found


@action(title_zh="占用", title_en="Hold")
def hold(mib: int) -> int:
    return len(b"x" * (mib << 20))
"""


@pytest.fixture
def prepared(sandbox_settings: SandboxSettings) -> Iterator[DockerRunner]:
    with DockerRunner(sandbox_settings.model_copy(update={"generic_boxes": 1})) as runner:
        runner.prepare()
        yield runner


def ready(runner: DockerRunner, limits: Limits = LIMITS) -> bool:
    assert runner.pool is not None
    return runner.pool.wait(limits, 60)


def waiting(engine: docker.DockerClient) -> list[str]:
    """Ids of this process's containers that no component has."""
    found = engine.api.containers(filters={"label": f"{OWNER_LABEL}={this_owner()}"})
    return [str(one["Id"]) for one in found if "dev.capmart.component" not in "".join(one["Labels"])]


def first(runner: DockerRunner, spec: RunSpec) -> None:
    """Its class becomes one of those that wait."""
    with runner.start(spec):
        pass


def test_given_a_container_that_waits_then_a_component_gets_it_and_another_one_comes(
    prepared: DockerRunner, specify: Specify, engine: docker.DockerClient
) -> None:
    spec = specify("where", WHERE)
    first(prepared, spec)
    assert ready(prepared)
    before = set(waiting(engine))
    with prepared.start(spec) as instance:
        assert any(one.startswith(instance.call("host", {}).value) for one in before)
        assert instance.call("traces", {}).value == ["own"]
        assert instance.call("traces", {}).value == ["own"], "a file of the call before is seen"
        assert ready(prepared)


def test_given_two_components_one_after_the_other_then_they_never_share_a_container(
    prepared: DockerRunner, specify: Specify
) -> None:
    hosts = set()
    for name in ("where", "elsewhere"):
        spec = specify(name, WHERE)
        first(prepared, spec)
        for tenant in ("one", "other"):
            assert ready(prepared)
            with prepared.start(specify(name, WHERE, tenant=tenant)) as instance:
                hosts.add(instance.call("host", {}).value)
                assert instance.call("traces", {}).value == ["own"]
    assert len(hosts) == 4


def test_given_other_limits_then_the_container_has_them(prepared: DockerRunner, specify: Specify) -> None:
    limits = Limits(memory_mib=64, deadline_s=5)
    spec = specify("where", WHERE, limits=limits)
    first(prepared, spec)
    assert ready(prepared, limits)
    with prepared.start(spec) as instance:
        assert instance.call("hold", {"mib": 8}).value == 8 << 20
        with pytest.raises(OutOfMemory):
            instance.call("hold", {"mib": 200})


def test_given_a_container_that_died_while_it_waited_then_nobody_gets_it(
    prepared: DockerRunner, specify: Specify, engine: docker.DockerClient
) -> None:
    spec = specify("where", WHERE)
    first(prepared, spec)
    assert ready(prepared)
    for one in waiting(engine):
        engine.api.kill(one)
    with prepared.start(spec) as instance:
        assert instance.call("hold", {"mib": 1}).value == 1 << 20
    assert ready(prepared)


def test_given_wheels_of_others_or_files_then_it_starts_from_nothing_and_has_them(
    prepared: DockerRunner, specify: Specify, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("more")
    other = make_wheel(folder, "helper", files={"helper.py": b"ANSWER = 42\n"})
    code = (
        "from helper import ANSWER\n"
        + WHERE.replace('return "here"', "pass")
        + ('\n\n@action(title_zh="答", title_en="Answer")\ndef answer() -> int:\n    return ANSWER\n')
    )
    spec = specify("asks", code, third_party=(other,))
    assert ready(prepared, Limits())
    with prepared.start(spec) as instance:
        assert instance.call("answer", {}).value == 42


def test_given_a_description_then_a_container_that_waits_makes_it(prepared: DockerRunner, specify: Specify) -> None:
    spec = specify("where", WHERE)
    first(prepared, spec)
    assert ready(prepared)
    assert {action["name"] for action in prepared.describe(spec)} == {"hold", "host", "traces"}


def test_given_many_first_starts_at_once_then_each_has_its_own_and_none_is_left(
    sandbox_settings: SandboxSettings, specify: Specify, engine: docker.DockerClient
) -> None:
    hosts: list[str] = []
    before = set(containers_of_this_process(engine))
    with DockerRunner(sandbox_settings.model_copy(update={"generic_boxes": 2})) as runner:
        runner.prepare()
        spec = specify("where", WHERE)
        first(runner, spec)
        assert ready(runner)

        def use() -> None:
            with runner.start(spec) as instance:
                hosts.append(instance.call("host", {}).value)

        threads = [threading.Thread(target=use) for _ in range(6)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    assert len(set(hosts)) == 6
    assert eventually(lambda: set(containers_of_this_process(engine)) <= before)
