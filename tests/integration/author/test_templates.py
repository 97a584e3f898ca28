"""``capmart new``: what it makes passes its own tests, is clean in ``capmart check`` and can be packed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import docker
import pytest

from capmart_core.identifiers import ComponentId
from capmart_core.package import PackageReader
from capmart_sdk.author.scaffold import Template, module_name, new_project, templates
from capmart_sdk.cli import main

TEMPLATES = templates()


def by_name(template: Template) -> str:
    return template.name


def make(folder: Path, template: Template) -> Path:
    return new_project(folder / "first-try", ComponentId("acme", "first-try"), template)


def test_given_the_templates_when_listed_then_every_delivery_and_kind_is_offered() -> None:
    assert {template.delivery for template in TEMPLATES} == {"python", "image", "files"}
    assert {template.kind for template in TEMPLATES} == {"knowledge", "tool", "application"}


@pytest.mark.parametrize("template", TEMPLATES, ids=by_name)
def test_given_a_template_when_a_project_is_made_then_its_own_tests_pass(tmp_path: Path, template: Template) -> None:
    if template.delivery == "image" and shutil.which("cc") is None:
        pytest.skip("no C compiler: apt-get install gcc libc6-dev make")
    folder = make(tmp_path, template)

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"],
        cwd=folder, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


@pytest.mark.parametrize("template", TEMPLATES, ids=by_name)
def test_given_a_template_when_a_project_is_made_then_no_placeholder_is_left(
    tmp_path: Path, template: Template
) -> None:
    folder = make(tmp_path, template)

    for path in folder.rglob("*"):
        assert not any(word in path.name for word in ("__NAME__", "__MODULE__", "__NAMESPACE__"))
        if path.is_file():
            text = path.read_text("utf-8")
            assert not any(word in text for word in ("__NAME__", "__MODULE__", "__NAMESPACE__", "{{")), path


@pytest.mark.parametrize("template", TEMPLATES, ids=by_name)
def test_given_a_template_when_its_files_are_checked_then_nothing_is_wrong(
    tmp_path: Path, template: Template, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make(tmp_path, template)

    assert main(["check", str(folder), "--static", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"problems": [], "examples": []}


@pytest.mark.engine
@pytest.mark.parametrize("template", TEMPLATES, ids=by_name)
def test_given_a_template_when_checked_in_containers_then_its_examples_answer_and_it_packs(
    tmp_path: Path, template: Template, engine: docker.DockerClient, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make(tmp_path, template)
    image = "local/acme-first-try:0.1.0"
    if template.delivery == "image":
        subprocess.run(["make", "-s", "image"], cwd=folder, check=True, capture_output=True)
    try:
        assert main(["check", str(folder), "--runner", "docker", "--json"]) == 0
        trials = json.loads(capsys.readouterr().out)["examples"]
        assert main(["pack", str(folder), "--out", str(tmp_path), "--runner", "docker", "--json"]) == 0
        packed = json.loads(capsys.readouterr().out)
    finally:
        if template.delivery == "image":
            engine.images.remove(image, force=True)

    assert all(trial["passed"] for trial in trials)
    assert bool(trials) == (template.delivery != "files")
    assert PackageReader.open(Path(packed["path"])).layout.manifest.id == "acme/first-try"


def test_given_answers_when_new_asks_then_the_project_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    answers = iter(["tols", "tool", "python", "acme/oee-line"])
    monkeypatch.setattr("typer.prompt", lambda *_args, **_kwargs: next(answers))

    assert main(["new"]) == 0

    assert "acme/oee-line" in capsys.readouterr().out
    assert (tmp_path / "oee-line" / "src" / "acme_oee_line" / "__init__.py").is_file()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["acme/x", "--kind", "tool", "--delivery", "files"], 2),
        (["acme/x", "--kind", "toy", "--delivery", "python"], 2),
        (["Acme/X", "--kind", "tool", "--delivery", "python"], 2),
        (["acme/x", "--kind", "tool", "--delivery", "python", "--dir", "taken"], 5),
    ],
)
def test_given_what_cannot_be_made_when_asked_then_refused_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine.txt").write_text("mine")

    assert main(["new", *arguments]) == code
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["mine.txt", "taken"]


@pytest.mark.parametrize(
    ("text", "module"), [("acme/oee-line", "acme_oee_line"), ("3m/x", "component_3m_x"), ("a/b", "a_b")]
)
def test_given_an_id_when_a_module_is_named_then_it_can_be_imported(text: str, module: str) -> None:
    assert module_name(ComponentId.parse(text)) == module
    assert module.isidentifier()
