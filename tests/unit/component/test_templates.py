"""Every project that ``capmart new`` can make: its own tests pass, its code is strictly typed and lints clean."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TEMPLATES = ROOT / "sdk/client/src/capmart_sdk/author/templates"
NAMES = sorted(folder.name for folder in TEMPLATES.iterdir() if (folder / "capmart.toml").is_file())
TOKENS = {"__NAMESPACE__": "acme", "__NAME__": "first-try", "__MODULE__": "first_try"}


def filled(text: str) -> str:
    for token, value in TOKENS.items():
        text = text.replace(token, value)
    return text


def make(template: Path, target: Path) -> Path:
    for source in sorted(path for path in template.rglob("*") if path.is_file()):
        if "__pycache__" in source.parts:
            continue
        file = target / filled(source.relative_to(template).as_posix())
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(filled(source.read_text("utf-8")), "utf-8")
    return target


def run(*command: str, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_given_the_templates_when_listed_then_every_kind_and_delivery_that_makes_sense() -> None:
    assert set(NAMES) == {
        "files-knowledge",
        "image-application",
        "image-tool",
        "python-application",
        "python-knowledge",
        "python-tool",
    }


@pytest.mark.parametrize("name", NAMES)
def test_given_a_new_project_when_its_tests_and_linters_run_then_all_pass(name: str, tmp_path: Path) -> None:
    project = make(TEMPLATES / name, tmp_path)

    told = run(sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "-p", "no:randomly", cwd=project)
    lint = ["check", "--no-cache", "--config", str(ROOT / "pyproject.toml"), "--ignore", "D,I001,S101,S310,INP001", "."]
    run(sys.executable, "-m", "ruff", *lint, cwd=project)
    run(sys.executable, "-m", "ruff", "check", "--no-cache", "--isolated", "--select", "I", ".", cwd=project)
    run(sys.executable, "-m", "mypy", "--strict", "--config-file=", "tests", cwd=project, MYPYPATH="src")
    if skipped := [line for line in told.splitlines() if line.startswith("SKIPPED")]:
        pytest.skip("; ".join(skipped))
