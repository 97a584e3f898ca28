"""The base image: what is in it, how it is found, and what happens when it cannot be had."""

from __future__ import annotations

import importlib.metadata
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from capmart_core.errors import BaseImageUnavailable
from capmart_core.identifiers import Runtime
from capmart_sandbox.base_image import PROTOCOL_LABEL, RUNTIME_LABEL
from capmart_sandbox.base_tree import runtime_here
from capmart_sandbox.docker_runner import DockerRunner
from capmart_sandbox.settings import SandboxSettings
from tests.integration.sandbox.conftest import Specify
from tests.support.packages import make_wheel

pytestmark = pytest.mark.engine

INSIDE = """
import importlib, os, sys
from capmart_component import action

@action(title_zh="里面", title_en="Inside")
def inside(modules: list[str]) -> dict[str, str]:
    found = {}
    for name in modules:
        try:
            importlib.import_module(name)
            found[name] = "there"
        except ImportError as error:
            found[name] = str(error)
    return found

@action(title_zh="环境", title_en="Surroundings")
def surroundings() -> dict[str, str]:
    import zoneinfo
    return {"python": sys.version.split()[0], "uid": str(os.getuid()), "zone": str(zoneinfo.ZoneInfo("Asia/Shanghai")),
            "home": os.environ.get("HOME", ""), "encoding": sys.getfilesystemencoding(),
            "interfaces": ",".join(sorted(os.listdir("/sys/class/net")))}
"""


def test_given_the_base_image_when_looked_at_from_inside_then_python_is_whole(
    docker_runner: DockerRunner, specify: Specify
) -> None:
    modules = ["ssl", "sqlite3", "ctypes", "zlib", "lzma", "bz2", "hashlib", "decimal", "asyncio", "multiprocessing"]
    with docker_runner.start(specify("inside", INSIDE)) as instance:
        assert set(instance.call("inside", {"modules": modules}).value.values()) == {"there"}
        absent = instance.call("inside", {"modules": ["pydantic", "docker", "pip", "capmart_core", "capmart_sandbox"]})
        assert "there" not in absent.value.values()
        around = instance.call("surroundings", {}).value
    assert around == {
        "python": sys.version.split()[0],
        "uid": "65534",
        "zone": "Asia/Shanghai",
        "home": "/tmp",  # noqa: S108 - inside the box
        "encoding": "utf-8",
        "interfaces": "lo",
    }


def native_wheel(folder: Path) -> Path:
    """A real wheel with compiled code: what this environment installed, packed again."""
    distribution = importlib.metadata.distribution("pydantic-core")
    files = {
        str(file): Path(str(file.locate())).read_bytes()
        for file in distribution.files or ()
        if file.parts[0] == "pydantic_core" and "__pycache__" not in file.parts
    }
    tag = f"cp3{sys.version_info.minor}-cp3{sys.version_info.minor}-{runtime_here().platform}"
    return make_wheel(folder, "pydantic_core", distribution.version, files=files, tag=tag)


def test_given_a_locked_wheel_with_compiled_code_when_imported_then_it_loads(
    docker_runner: DockerRunner, specify: Specify, tmp_path: Path
) -> None:
    typing = make_wheel(
        tmp_path, "typing_extensions", files={"typing_extensions.py": Path(find("typing_extensions")).read_bytes()}
    )
    spec = specify("inside", INSIDE, third_party=(native_wheel(tmp_path), typing))
    with docker_runner.start(spec) as instance:
        found = instance.call("inside", {"modules": ["pydantic_core"]}).value
    assert found == {"pydantic_core": "there"}


def find(name: str) -> str:
    module = sys.modules[name]
    assert module.__file__ is not None
    return module.__file__


def test_given_the_runner_when_asked_then_it_tells_its_runtime(docker_runner: DockerRunner) -> None:
    info = docker_runner.info()
    assert info.isolation == "container"
    assert info.runtime == runtime_here()
    assert Runtime.parse(f"python3.{sys.version_info.minor}-any").runs_on(info.runtime)


@pytest.fixture
def old_image(engine: docker.DockerClient) -> Iterator[str]:
    """An image that says it is a base image of another protocol."""
    reference = "capmart-test/base:old"
    repository, _, tag = reference.partition(":")
    labels = [f'LABEL {RUNTIME_LABEL}="python3.11-any" {PROTOCOL_LABEL}="0"']
    engine.api.import_image_from_data(io.BytesIO(b"\0" * 10240).read(), repository=repository, tag=tag, changes=labels)
    yield reference
    engine.images.remove(reference)


def test_given_an_image_of_another_protocol_when_set_then_refused(
    sandbox_settings: SandboxSettings, old_image: str
) -> None:
    settings = sandbox_settings.model_copy(update={"base_image": old_image, "build_base": False})
    with DockerRunner(settings) as runner, pytest.raises(BaseImageUnavailable, match="protocol 0"):
        runner.info()


def test_given_a_reference_that_cannot_be_pulled_when_building_is_off_then_unavailable(
    sandbox_settings: SandboxSettings,
) -> None:
    reference = "127.0.0.1:9/capmart/base:1"
    settings = sandbox_settings.model_copy(update={"base_image": reference, "build_base": False})
    with DockerRunner(settings) as runner, pytest.raises(BaseImageUnavailable, match=reference):
        runner.info()


def test_given_a_reference_that_cannot_be_pulled_when_building_is_on_then_made_here(
    sandbox_settings: SandboxSettings,
) -> None:
    settings = sandbox_settings.model_copy(update={"base_image": "127.0.0.1:9/capmart/base:1"})
    with DockerRunner(settings) as runner:
        assert "made here" in runner.info().detail["base_image"]
