"""Real runners for the sandbox's tests; what a test leaves behind fails the module that it is in."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from capmart_core.manifest.models import Limits, PythonDelivery
from capmart_core.ports.runner import Instance, Runner, RunSpec
from capmart_sandbox.base_tree import runtime_here
from capmart_sandbox.docker_runner import DockerRunner
from capmart_sandbox.guest.system import descendants
from capmart_sandbox.owners import OWNER_LABEL, this_owner
from capmart_sandbox.process_runner import ProcessRunner
from capmart_sandbox.settings import SandboxSettings
from tests.support.packages import make_wheel

COMPONENTS = Path(__file__).parent / "components"
RUNTIME = f"python3.{runtime_here().minor}-any"
LIMITS = Limits(memory_mib=128, deadline_s=3, tmp_mib=16)

Specify = Callable[..., RunSpec]


@pytest.fixture(scope="session")
def sandbox_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxSettings]:
    """Settings with folders of their own; the sockets' one is short."""
    run_dir = Path("/tmp") / f"capmart-test-{secrets.token_hex(4)}"  # noqa: S108 - made with mode 0700
    cache = tmp_path_factory.mktemp("sandbox-cache")
    cache.chmod(0o755)
    yield SandboxSettings(run_dir=run_dir, cache=cache, start_timeout_s=10, process_namespaces=("trusted",))
    shutil.rmtree(run_dir, ignore_errors=True)


@pytest.fixture(scope="session")
def specify(tmp_path_factory: pytest.TempPathFactory) -> Specify:
    """A function that makes the spec of a component of this folder, or of some source."""
    folder = tmp_path_factory.mktemp("wheels")

    def make(name: str, source: str | None = None, *, entry: str | None = None, **changes: Any) -> RunSpec:
        code = source.encode() if source is not None else (COMPONENTS / f"{name}.py").read_bytes()
        wheel = make_wheel(folder / secrets.token_hex(4), name, files={f"{name}.py": code})
        delivery = {"entry": entry or name, "runtimes": (RUNTIME,)}
        delivery |= {key: changes.pop(key) for key in ("isolation", "http", "runtimes") if key in changes}
        third_party = tuple(changes.pop("third_party", ()))
        given = {
            "component": f"trusted/{name.replace('_', '-')}@1.0.0",
            "digest": f"sha256:{'0' * 64}",
            "limits": LIMITS,
        }
        return RunSpec(**{**given, "delivery": PythonDelivery(**delivery), "wheels": (wheel, *third_party), **changes})

    return make


def containers_of_this_process(client: docker.DockerClient) -> list[str]:
    """Names of the containers that this process owns, with those that the engine is about to remove."""
    found = client.api.containers(all=True, filters={"label": f"{OWNER_LABEL}={this_owner()}"})
    return [str(one["Names"]) for one in found]


def folders_of(settings: SandboxSettings) -> list[str]:
    """Names of the folders that instances have at this moment."""
    return [folder.name for folder in settings.run_dir.iterdir()] if settings.run_dir.exists() else []


def eventually(check: Callable[[], bool], *, within_s: float = 5.0) -> bool:
    """Whether ``check`` comes true in time."""
    end = time.monotonic() + within_s
    while not check():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture(scope="module")
def docker_runner(engine: docker.DockerClient, sandbox_settings: SandboxSettings) -> Iterator[DockerRunner]:
    """A docker runner; in the end no container and no folder of it is left."""
    with DockerRunner(sandbox_settings) as runner:
        yield runner
    assert eventually(lambda: not containers_of_this_process(engine)), containers_of_this_process(engine)
    assert folders_of(sandbox_settings) == []


@pytest.fixture(scope="module")
def process_runner(sandbox_settings: SandboxSettings) -> Iterator[ProcessRunner]:
    """A process runner; in the end no process and no folder of it is left."""
    before = set(descendants(os.getpid()))
    with ProcessRunner(sandbox_settings) as runner:
        yield runner
    assert eventually(lambda: not set(descendants(os.getpid())) - before)
    assert folders_of(sandbox_settings) == []


@pytest.fixture(scope="module")
def hostile(docker_runner: DockerRunner, specify: Specify) -> Iterator[Instance]:
    """The hostile component in one container that all tests of a module share: each must leave it usable."""
    with docker_runner.start(specify("hostile")) as instance:
        yield instance


@pytest.fixture(params=["process", pytest.param("docker", marks=pytest.mark.engine)])
def runner(request: pytest.FixtureRequest) -> Runner:
    """Each runner in turn."""
    chosen: Runner = request.getfixturevalue(f"{request.param}_runner")
    return chosen
