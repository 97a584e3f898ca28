"""Checking and packing with real runners, a real engine and a real pip."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import docker
import pytest

from capmart_core.drivers import RUNNERS, load_driver
from capmart_core.errors import InvalidProject, NotFound
from capmart_core.identifiers import ComponentId
from capmart_core.manifest import Problem
from capmart_core.package import PackageReader, read_image
from capmart_core.ports.runner import Runner
from capmart_sdk.author.check import check_project, examine
from capmart_sdk.author.images import save_image
from capmart_sdk.author.pack import pack_project
from capmart_sdk.author.scaffold import Template, new_project
from capmart_sdk.cli import main
from tests.support.engine import engine_missing
from tests.support.packages import make_wheel
from tests.support.projects import SERVICE_TOML, service_project

ROOT = Path(__file__).parents[3]
OEE = ROOT / "plugins" / "tools" / "oee"


@pytest.fixture(params=["process", pytest.param("docker", marks=pytest.mark.engine)])
def runner(request: pytest.FixtureRequest) -> Iterator[Runner]:
    if request.param == "docker" and (reason := engine_missing()) is not None:
        pytest.skip(reason)
    with cast("Runner", load_driver(RUNNERS, request.param)) as opened:
        yield opened


def tool(folder: Path) -> Path:
    return new_project(folder / "area", ComponentId("acme", "area"), Template("python", "tool"))


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), "utf-8")


def test_given_a_first_party_component_when_checked_then_its_examples_answer_as_published(runner: Runner) -> None:
    result = examine(OEE, runner)

    assert result.problems == ()
    assert [trial.passed for trial in result.trials] == [True, True]
    assert all(trial.usage is not None and trial.usage.wall_ms > 0 for trial in result.trials)


def test_given_a_component_when_packed_then_its_schemas_come_from_its_types(tmp_path: Path, runner: Runner) -> None:
    layout = PackageReader.open(pack_project(OEE, tmp_path, runner).path).layout

    actions = {action.name: action for action in layout.manifest.actions}
    assert set(actions) >= {"calculate", "summarise"}
    for schema in actions["calculate"].input["properties"].values():
        assert {"title", "x-title-zh"} <= schema.keys()
    assert [str(entry.runtime) for entry in layout.runtimes] == ["python3.11-any"]


def test_given_an_example_that_is_wrong_when_checked_then_its_first_difference_is_named(
    tmp_path: Path, runner: Runner
) -> None:
    folder = tool(tmp_path)
    file = next((folder / "examples").glob("*.out.json"))
    value = json.loads(file.read_text())
    name = next(name for name, part in value.items() if isinstance(part, int | float))
    file.write_text(json.dumps({**value, name: value[name] + 1}))

    (problem,) = check_project(folder, runner)

    assert (problem.file, problem.field, problem.rule) == ("capmart.toml", "examples[0]", "example_differs")
    assert name in problem.message("zh")


@pytest.mark.parametrize(
    "code",
    ["raise RuntimeError('not today')\n", "import no_such_module\n", "def broken(:\n", "import os\nos._exit(3)\n"],
)
def test_given_code_that_cannot_be_imported_when_checked_then_its_module_is_named_and_nothing_else_breaks(
    tmp_path: Path, runner: Runner, code: str
) -> None:
    folder = tool(tmp_path)
    module = next((folder / "src").glob("*/__init__.py"))
    module.write_text(code)

    (problem,) = check_project(folder, runner)

    assert (problem.file, problem.rule) == (module.parent.name, "describe")
    assert check_project(OEE, runner) == []


def test_given_an_example_of_an_action_that_is_not_there_when_packed_then_the_actions_are_listed(
    tmp_path: Path, runner: Runner
) -> None:
    folder = tool(tmp_path)
    edit(folder / "capmart.toml", 'action = "describe"', 'action = "describ"')

    with pytest.raises(InvalidProject) as caught:
        pack_project(folder, tmp_path / "out", runner)

    (problem,) = cast("list[Problem]", caught.value.data["problems"])
    assert (problem.field, problem.rule, problem.example) == ("examples[0].action", "unknown_action", "describe")


def test_given_two_runners_when_they_describe_one_component_then_one_digest(tmp_path: Path) -> None:
    if (reason := engine_missing()) is not None:
        pytest.skip(reason)
    digests = set()
    for name in ("process", "docker"):
        with cast("Runner", load_driver(RUNNERS, name)) as opened:
            digests.add(pack_project(OEE, tmp_path / name, opened).index_digest)

    assert len(digests) == 1


@pytest.mark.engine
def test_given_an_image_of_the_engine_when_saved_twice_then_the_same_layout(
    tmp_path: Path, engine: docker.DockerClient
) -> None:
    reference = "local/capmart-test-image:1"
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "hello").write_text("hello")
    (tmp_path / "context" / "Dockerfile").write_text('FROM scratch\nCOPY hello /hello\nCMD ["/hello"]\n')
    subprocess.run(
        ["docker", "build", "-q", "-t", reference, str(tmp_path / "context")],
        env={"DOCKER_BUILDKIT": "0", "PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": str(tmp_path)},
        check=True, capture_output=True,
    )  # fmt: skip
    try:
        save_image(reference, tmp_path / "a")
        save_image(reference, tmp_path / "b")
        image_id = engine.images.get(reference).id
    finally:
        engine.images.remove(reference, force=True)

    first, second = read_image(tmp_path / "a")[0], read_image(tmp_path / "b")[0]
    assert first == second
    assert first.manifests[0].config.digest == image_id
    assert (first.manifests[0].descriptor.platform or {})["os"] == "linux"


@pytest.mark.engine
def test_given_an_image_that_is_not_there_when_saved_then_not_found(
    tmp_path: Path, engine: docker.DockerClient
) -> None:
    with pytest.raises(NotFound):
        save_image("local/there-is-no-such-image:1", tmp_path / "a")


def test_given_a_lock_when_pip_fetches_its_wheels_then_by_hash_and_only_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = tmp_path / "shelf"
    wheel = make_wheel(shelf, "plainsum", "1.5.0")
    folder = service_project(tmp_path / "area", SERVICE_TOML, dependencies=("plainsum>=1",))
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (folder / "component.lock").write_text(f"plainsum==1.5.0 --hash=sha256:{digest}\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))

    with cast("Runner", load_driver(RUNNERS, "process")) as opened:
        first = pack_project(folder, tmp_path / "1", opened, cache=tmp_path / "cache")
        wheel.unlink()
        again = pack_project(folder, tmp_path / "2", opened, cache=tmp_path / "cache")

    assert first.index_digest == again.index_digest
    wheels = PackageReader.open(first.path).layout.runtimes[0].wheels
    assert [entry.title for entry in wheels][1:] == ["plainsum-1.5.0-py3-none-any.whl"]


@pytest.mark.parametrize("case", ["altered", "absent"])
def test_given_wheels_that_pip_cannot_fetch_by_hash_when_packed_then_refused_and_not_cached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    shelf = tmp_path / "shelf"
    wheel = make_wheel(shelf, "plainsum", "1.5.0")
    folder = service_project(tmp_path / "area", SERVICE_TOML, dependencies=("plainsum>=1",))
    (folder / "component.lock").write_text(f"plainsum==1.5.0 --hash=sha256:{'0' * 64}\n")
    if case == "absent":
        wheel.unlink()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))

    with pytest.raises(InvalidProject) as caught, cast("Runner", load_driver(RUNNERS, "process")) as opened:
        pack_project(folder, tmp_path / "1", opened, cache=tmp_path / "cache")

    (problem,) = cast("list[Problem]", caught.value.data["problems"])
    assert (problem.file, problem.rule) == ("component.lock", "wheel_missing")
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize("language", ["zh", "en"])
def test_given_a_malformed_project_when_checked_on_the_command_line_then_a_table_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], language: str
) -> None:
    folder = tool(tmp_path)
    edit(folder / "capmart.toml", 'licence = "Apache-2.0"', 'licence = "Apache"')
    edit(folder / "capmart.toml", 'subkind = "analysis"', 'subkind = "analysys"')

    assert main(["--lang", language, "check", str(folder)]) == 2

    shown = capsys.readouterr().err
    assert "component.licence" in shown
    assert "analysis" in shown
    assert ("应为" if language == "zh" else "expected") in shown


def test_given_a_malformed_project_when_checked_for_a_program_then_json_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tool(tmp_path)
    edit(folder / "capmart.toml", 'licence = "Apache-2.0"', 'licence = "Apache"')

    assert main(["check", str(folder), "--json"]) == 2

    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert (problem["file"], problem["field"], problem["rule"]) == ("capmart.toml", "component.licence", "licence")
    assert problem["expected"].keys() == {"zh", "en"}
