"""Every first-party component is a project of its own, whose own tests pass and whose code is strictly typed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from jsonschema_rs import Draft202012Validator

ROOT = Path(__file__).parents[3]
PLUGINS = sorted(
    file.parent
    for kind in ("knowledge", "tools", "applications", "data")
    for file in (ROOT / "plugins" / kind).glob("*/capmart.toml")
)
WITH_TESTS = [folder for folder in PLUGINS if (folder / "tests").is_dir()]
WITH_PYTHON = [folder for folder in PLUGINS if (folder / "src").is_dir() and (folder / "pyproject.toml").is_file()]


def run(*command: str, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("folder", WITH_TESTS, ids=lambda folder: folder.name)
def test_given_a_component_when_its_own_tests_run_then_they_pass(folder: Path) -> None:
    told = run(sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "-p", "no:randomly", cwd=folder)
    if skipped := [line for line in told.splitlines() if line.startswith("SKIPPED")]:
        pytest.skip("; ".join(skipped))


@pytest.mark.parametrize("folder", WITH_PYTHON, ids=lambda folder: folder.name)
def test_given_a_component_when_its_code_is_type_checked_strictly_then_nothing_is_found(folder: Path) -> None:
    run(
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file=",
        f"--cache-dir={os.devnull}",
        "src",
        cwd=folder,
        MYPYPATH="src",
    )


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda folder: folder.name)
def test_given_a_component_when_its_folder_is_read_then_it_is_what_an_outsider_would_publish(folder: Path) -> None:
    project = tomllib.loads((folder / "capmart.toml").read_text("utf-8"))

    assert project["component"]["id"] == f"capmart/{folder.name}"
    assert {"zh", "en"} <= project["component"]["title"].keys() & project["component"]["summary"].keys()
    assert f"## {project['component']['version']}" in (folder / "CHANGELOG.md").read_text("utf-8")
    assert "## English" in (folder / "README.md").read_text("utf-8")


def test_given_the_plugins_folder_when_read_then_the_components_of_this_release_are_there() -> None:
    assert {folder.name for folder in PLUGINS} >= {
        "oee",
        "energy-factors",
        "supply-demand",
        "unit-converter",
        "pump-failure-cases",
    }


def test_given_an_application_when_its_schemas_are_compared_with_its_code_then_they_are_the_same() -> None:
    folder = ROOT / "plugins/applications/supply-demand"
    done = subprocess.run(
        [sys.executable, "-m", "capmart_component", "capmart_supply_demand.rules"],
        env={**os.environ, "PYTHONPATH": str(folder / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    for action in json.loads(done.stdout):
        for side in ("input", "output"):
            schema = json.loads((folder / f"schemas/{action['name']}.{side}.json").read_text("utf-8"))
            assert schema == action[side], f"run again: python -m capmart_component, for {action['name']}.{side}"


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda folder: folder.name)
def test_given_http_examples_when_compared_with_their_schemas_then_they_agree(folder: Path) -> None:
    project = tomllib.loads((folder / "capmart.toml").read_text("utf-8"))
    actions = {action["name"]: action for action in project.get("actions", [])}
    for example in project.get("examples", []):
        for side in ("input", "output"):
            value = json.loads((folder / example[side]).read_text("utf-8"))
            if example["action"] in actions:
                schema = json.loads((folder / actions[example["action"]][side]).read_text("utf-8"))
                Draft202012Validator(schema).validate(value)
