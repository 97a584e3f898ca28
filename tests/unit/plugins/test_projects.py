"""Every first-party component is a project of its own, whose own tests pass and whose code is strictly typed."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PLUGINS = sorted(
    file.parent
    for kind in ("knowledge", "tools", "applications", "data")
    for file in (ROOT / "plugins" / kind).glob("*/capmart.toml")
)
WITH_TESTS = [folder for folder in PLUGINS if (folder / "tests").is_dir()]
WITH_PYTHON = [folder for folder in PLUGINS if (folder / "src").is_dir() and (folder / "pyproject.toml").is_file()]


def run(*command: str, cwd: Path, **environment: str) -> None:
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("folder", WITH_TESTS, ids=lambda folder: folder.name)
def test_given_a_component_when_its_own_tests_run_then_they_pass(folder: Path) -> None:
    run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", cwd=folder)


@pytest.mark.parametrize("folder", WITH_PYTHON, ids=lambda folder: folder.name)
def test_given_a_component_when_its_code_is_type_checked_strictly_then_nothing_is_found(folder: Path) -> None:
    run(sys.executable, "-m", "mypy", "--strict", "--config-file=", "src", cwd=folder, MYPYPATH="src")


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
