"""Projects: every problem in one go, with its file, its field, what was expected and an example."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from capmart_core.errors import InvalidProject
from capmart_core.manifest import Problem
from capmart_sdk.author.check import check_project
from capmart_sdk.author.reading import look_at, read_project
from tests.support.projects import FILES_TOML, SERVICE_TOML, files_project, service_project


def rules(problems: list[Problem]) -> dict[tuple[str, str], str]:
    return {(problem.file, problem.field): problem.rule for problem in problems}


def test_given_a_good_project_when_read_then_whole_and_without_problems(tmp_path: Path) -> None:
    folder = service_project(tmp_path / "area")
    (folder / "CHANGELOG.md").write_text("# Changelog\n\n## [1.0.0] - 2026\n\n- First.\n\n## 0.9.0\n\n- Old.\n")

    project = read_project(folder)

    assert project.data.component.id == "acme/area"
    assert project.actions[0]["input"]["required"] == ["length", "width"]
    assert project.examples[0]["input"] == {"length": 2, "width": 3}
    assert project.changelog == "- First."
    assert check_project(folder) == []


def test_given_files_when_read_then_listed_ones_have_titles_and_the_rest_a_guessed_type(tmp_path: Path) -> None:
    folder = files_project(tmp_path / "guide")
    (folder / "files" / ".hidden").write_text("x")

    files = {file.path: file for file in read_project(folder).files}

    assert set(files) == {"guide.md", "tables/a.csv"}
    assert files["guide.md"].title is not None
    assert files["tables/a.csv"].media_type == "text/csv"


def test_given_many_mistakes_in_many_files_when_checked_then_every_one_is_named(tmp_path: Path) -> None:
    toml = (
        SERVICE_TOML.replace('version = "1.0.0"', 'version = "1.0"')
        .replace('licence = "Apache-2.0"', 'licence = "Apache"')
        .replace('subkind = "industry-ecosystem"', 'subkind = "ecosystem"\nscenario = ["x"]')
        .replace('en = "Computes an area"', "")
        .replace('contact = "support@acme.example"', "")
        .replace("port = 8080", "port = 80")
        .replace('"schemas/area.input.json"', '"schemas/missing.json"')
        .replace('{ type = "number" }', '{ type = "numbr" }')
        .replace('path = "/api/area"', "")
        .replace('action = "area"', 'action = "aera"')
    )
    folder = service_project(tmp_path / "area", toml, dependencies=())
    (folder / "component.lock").write_text(
        "numpy==2.0.0\nscipy>=1 --hash=sha256:" + "0" * 64 + "\n--index-url x\n???\n"
    )
    (folder / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    (folder / "examples" / "plate.in.json").write_text("{")

    problems = check_project(folder)

    assert rules(problems) == {
        ("capmart.toml", "component.version"): "invalid_version",
        ("capmart.toml", "component.licence"): "licence",
        ("capmart.toml", "component.subkind"): "unknown_code",
        ("capmart.toml", "component.scenario"): "unknown_field",
        ("capmart.toml", "component.summary.en"): "missing",
        ("capmart.toml", "provider.contact"): "missing",
        ("capmart.toml", "python.http.port"): "out_of_range",
        ("capmart.toml", "actions[0].input"): "file_missing",
        ("capmart.toml", "actions[0].output.type"): "schema",
        ("capmart.toml", "actions[0].path"): "http_path",
        ("capmart.toml", "examples[0].action"): "unknown_action",
        ("examples/plate.in.json", ""): "json",
        ("component.lock", "line 1"): "lock_unhashed",
        ("component.lock", "line 2"): "lock_version",
        ("component.lock", "line 3"): "lock_option",
        ("component.lock", "line 4"): "lock_line",
        ("pyproject.toml", "build-system.build-backend"): "build_backend",
        ("pyproject.toml", "project.version"): "version_differs",
    }
    by_field = {problem.field: problem for problem in problems}
    assert by_field["component.subkind"].example == "industry-ecosystem"
    assert "scenarios" in by_field["component.scenario"].message("zh")
    assert by_field["examples[0].action"].example == "area"
    assert all(problem.message("zh") and problem.message("en") for problem in problems)


@pytest.mark.parametrize(
    ("text", "rule"),
    [("[component\n", "toml"), ("\xff", "toml"), ("a = 1\na = 2\n", "toml"), ("x = " + "[" * 10_000, "toml")],
)  # fmt: skip
def test_given_toml_that_cannot_be_read_when_checked_then_said_with_its_line(
    tmp_path: Path, text: str, rule: str
) -> None:
    (tmp_path / "capmart.toml").write_bytes(text.encode("latin-1"))

    assert [problem.rule for problem in check_project(tmp_path)] == [rule]


def test_given_an_empty_toml_when_checked_then_what_must_be_there_is_named_with_examples(tmp_path: Path) -> None:
    (tmp_path / "capmart.toml").write_text("")

    problems = check_project(tmp_path)

    assert {problem.field for problem in problems} == {"component", "provider"}
    assert all("[" in problem.example for problem in problems)


def test_given_no_project_when_read_then_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidProject) as caught:
        read_project(tmp_path)

    assert caught.value.exit_code == 2
    assert caught.value.data["problems"][0].file == "capmart.toml"  # type: ignore[index]


@pytest.mark.parametrize(
    ("change", "place", "rule"),
    [
        (('delivery = "files"', 'delivery = "file"'), "component.delivery", "bad_value"),
        (('delivery = "files"', 'delivery = "python"'), "python", "missing"),
        (('delivery = "files"', 'delivery = "remote"'), "remote", "missing"),
        (('path = "guide.md"', 'path = "guied.md"'), "files[0].path", "file_missing"),
        (('path = "guide.md"', 'path = "../guide.md"'), "files[0].path", "file_missing"),
        (('zh = "指南"\nen', 'zh = "指\u202e南"\nen'), "component.title.zh", "invisible"),
        (('id = "acme/guide"', 'id = "acme"'), "component.id", "invalid_identifier"),
    ],
)
def test_given_one_mistake_when_checked_then_named_at_its_place(
    tmp_path: Path, change: tuple[str, str], place: str, rule: str
) -> None:
    folder = files_project(tmp_path / "guide", FILES_TOML.replace(*change, 1))

    problems = check_project(folder)

    assert (("capmart.toml", place), rule) in rules(problems).items()


def test_given_sections_of_another_delivery_when_checked_then_refused(tmp_path: Path) -> None:
    more = '\n[python]\nentry = "x"\n[[actions]]\nname = "a"\ntitle = {zh = "甲", en = "A"}\ninput = {}\noutput = {}\n'
    problems = rules(check_project(files_project(tmp_path / "guide", FILES_TOML + more)))

    assert problems == {("capmart.toml", "python"): "delivery", ("capmart.toml", "actions"): "no_actions"}


def test_given_an_image_project_when_checked_then_source_http_and_layout_are_looked_at(tmp_path: Path) -> None:
    base = FILES_TOML.partition("[[files]]")[0].replace('delivery = "files"', 'delivery = "image"')
    folder = tmp_path / "image"
    folder.mkdir()
    (folder / "capmart.toml").write_text(base + '\n[image]\nreference = "a:1"\nlayout = "nowhere"\n')

    assert rules(check_project(folder)) == {
        ("capmart.toml", "image.reference"): "image_source",
        ("capmart.toml", "image.layout"): "file_missing",
        ("capmart.toml", "image.http"): "image_http",
        ("capmart.toml", "actions"): "no_actions",
    }


def test_given_links_and_devices_among_the_files_when_checked_then_refused_and_not_followed(tmp_path: Path) -> None:
    folder = files_project(tmp_path / "guide")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("s")
    (folder / "files" / "link.txt").symlink_to("/etc/passwd")
    (folder / "files" / "folder").symlink_to(tmp_path / "secret")
    os.mkfifo(folder / "files" / "pipe")

    project, problems = look_at(folder)

    assert {problem.file for problem in problems} == {"files/link.txt", "files/folder", "files/pipe"}
    assert project is not None
    assert {file.path for file in project.files} == {"guide.md", "tables/a.csv"}


def test_given_an_example_outside_the_project_when_checked_then_refused(tmp_path: Path) -> None:
    (tmp_path / "outside.json").write_text("{}")
    folder = service_project(tmp_path / "area", SERVICE_TOML.replace("examples/plate.in.json", "../outside.json"))

    assert rules(check_project(folder)) == {("capmart.toml", "examples[0].input"): "path"}


def test_given_an_example_that_does_not_match_when_checked_then_its_file_and_field_are_named(tmp_path: Path) -> None:
    folder = service_project(tmp_path / "area", SERVICE_TOML.replace("output = 6.0", 'output = "six"'))
    (folder / "examples" / "plate.in.json").write_text('{"length": "2"}')

    assert rules(check_project(folder)) == {
        ("examples/plate.in.json", ""): "schema_mismatch",
        ("examples/plate.in.json", "length"): "schema_mismatch",
        ("capmart.toml", "examples[0].output"): "schema_mismatch",
    }
