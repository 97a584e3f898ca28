"""Packing without a sandbox: what needs no code to be described."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
from pathlib import Path

import pytest

from capmart_core.errors import InvalidProject
from capmart_core.manifest import Problem
from capmart_core.package import PackageReader
from capmart_core.ports.runner import Runner
from capmart_sdk.author.pack import pack_project
from tests.support.packages import make_image_layout, make_wheel
from tests.support.projects import FILES_TOML, SERVICE_TOML, files_project, service_project


def no_runner() -> Runner:
    raise AssertionError("nothing here is described by running it")


def pack(folder: Path, out: Path) -> PackageReader:
    return PackageReader.open(pack_project(folder, out, no_runner).path)


def problems_of_packing(folder: Path, out: Path) -> list[Problem]:
    with pytest.raises(InvalidProject) as caught:
        pack_project(folder, out, no_runner)
    problems = caught.value.data["problems"]
    assert isinstance(problems, list)
    return problems


def lock_line(wheel: Path, name: str, version: str) -> str:
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


def with_lock(folder: Path) -> Path:
    """A service that brings two wheels, one of them compiled."""
    toml = SERVICE_TOML.replace("manylinux_2_28", "manylinux_2_36")
    project = service_project(folder, toml, dependencies=("fastsum", "plainsum>=1"))
    fast = make_wheel(folder / "wheels", "fastsum", "1.0.0", tag="cp311-cp311-manylinux_2_17_x86_64")
    plain = make_wheel(folder / "wheels", "plainsum", "1.5.0")
    lines = lock_line(fast, "fastsum", "1.0.0") + lock_line(plain, "plainsum", "1.5.0")
    (project / "component.lock").write_text(lines)
    return project


def test_given_a_project_of_files_when_packed_then_its_files_and_bill_of_materials_are_in_it(tmp_path: Path) -> None:
    package = pack(files_project(tmp_path / "guide"), tmp_path / "out")

    manifest = package.layout.manifest
    assert package.path == tmp_path / "out" / "guide-1.0.0.capmart.tar"
    assert [file.path for file in manifest.files] == ["guide.md", "tables/a.csv"]
    assert package.layout.runtimes[0].sbom is not None
    with package.open_blob(package.layout.runtimes[0].sbom.digest) as stream:
        sbom = json.load(stream)
    assert sbom["metadata"]["component"]["name"] == "guide"
    assert {part["name"] for part in sbom["components"]} == {"guide.md", "tables/a.csv"}
    assert "serialNumber" not in sbom


def test_given_a_service_when_packed_then_its_own_wheel_is_first_and_its_lock_follows(tmp_path: Path) -> None:
    layout = pack(with_lock(tmp_path / "area"), tmp_path / "out").layout

    assert [wheel.title for wheel in layout.runtimes[0].wheels] == [
        "acme_area-1.0.0-py3-none-any.whl",
        "fastsum-1.0.0-cp311-cp311-manylinux_2_17_x86_64.whl",
        "plainsum-1.5.0-py3-none-any.whl",
    ]
    assert str(layout.runtimes[0].runtime) == "python3.11-manylinux_2_36-x86_64"


def test_given_the_same_project_elsewhere_later_and_under_another_umask_when_packed_then_the_same_digest(
    tmp_path: Path,
) -> None:
    first = with_lock(tmp_path / "a")
    old = os.umask(0o077)
    try:
        second = tmp_path / "elsewhere" / "b"
        shutil.copytree(first, second, copy_function=shutil.copyfile)
    finally:
        os.umask(old)
    for path in second.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    (second / "src" / "acme_area" / "__pycache__").mkdir()
    (second / "src" / "acme_area" / "__pycache__" / "x.pyc").write_bytes(b"x")

    one, two = (pack_project(folder, tmp_path / folder.name, no_runner) for folder in (first, second))

    assert one.index_digest == two.index_digest
    assert one.path.read_bytes() == two.path.read_bytes()


def test_given_a_project_when_packed_then_nothing_is_left_in_it(tmp_path: Path) -> None:
    folder = service_project(tmp_path / "area")
    before = sorted(folder.rglob("*"))

    pack_project(folder, tmp_path / "out", no_runner)

    assert sorted(folder.rglob("*")) == before


def test_given_a_project_whose_code_would_do_harm_when_packed_then_it_is_not_run(tmp_path: Path) -> None:
    folder = service_project(tmp_path / "area")
    mark = tmp_path / "ran"
    (folder / "src" / "acme_area" / "__init__.py").write_text(f"open({str(mark)!r}, 'w').close()\n")

    pack_project(folder, tmp_path / "out", no_runner)

    assert not mark.exists()


def test_given_an_altered_wheel_when_packed_then_refused_by_its_hash(tmp_path: Path) -> None:
    folder = with_lock(tmp_path / "area")
    wheel = folder / "wheels" / "plainsum-1.5.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("evil.py", "")

    (problem,) = problems_of_packing(folder, tmp_path / "out")

    assert (problem.file, problem.field, problem.rule) == ("component.lock", "plainsum", "wheel_altered")


def test_given_wheels_missing_or_for_another_machine_when_packed_then_each_is_named(tmp_path: Path) -> None:
    folder = with_lock(tmp_path / "area")
    (folder / "wheels" / "plainsum-1.5.0-py3-none-any.whl").unlink()
    name = "fastsum-1.0.0-cp311-cp311-manylinux_2_17_{}.whl"
    (folder / "wheels" / name.format("x86_64")).rename(folder / "wheels" / name.format("aarch64"))

    problems = problems_of_packing(folder, tmp_path / "out")

    assert {(problem.field, problem.rule) for problem in problems} == {
        ("fastsum", "wheel_missing"),
        ("plainsum", "wheel_missing"),
    }


def test_given_a_dependency_that_is_not_locked_when_packed_then_named(tmp_path: Path) -> None:
    folder = service_project(tmp_path / "area", dependencies=("scipy>=1",))

    (problem,) = problems_of_packing(folder, tmp_path / "out")

    assert (problem.file, problem.field, problem.rule) == ("component.lock", "scipy", "not_locked")
    assert "--generate-hashes" in problem.example


def test_given_a_project_that_cannot_be_built_when_packed_then_the_builder_is_quoted(tmp_path: Path) -> None:
    folder = service_project(tmp_path / "area")
    text = (folder / "pyproject.toml").read_text().replace("[project]", '[project]\nreadme = "nothing.md"')
    (folder / "pyproject.toml").write_text(text)

    (problem,) = problems_of_packing(folder, tmp_path / "out")

    assert (problem.file, problem.rule) == ("pyproject.toml", "build")
    assert "nothing.md" in problem.found.en


def test_given_a_wheel_without_the_module_when_packed_then_refused_naming_what_is_in_it(tmp_path: Path) -> None:
    folder = service_project(tmp_path / "area")
    text = (folder / "pyproject.toml").read_text().replace("src/acme_area", "src/nothing")
    (folder / "pyproject.toml").write_text(text)

    (problem,) = problems_of_packing(folder, tmp_path / "out")

    assert (problem.file, problem.rule) == ("pyproject.toml", "module_missing")
    assert "acme_area" in problem.example


def test_given_a_wheel_with_a_bomb_when_packed_then_refused(tmp_path: Path) -> None:
    folder = service_project(tmp_path / "area")
    (folder / "src" / "acme_area" / "zeros.bin").write_bytes(b"\0" * (17 << 20))

    (problem,) = problems_of_packing(folder, tmp_path / "out")

    assert problem.rule == "wheel_unsafe"


@pytest.mark.parametrize("architectures", [("amd64",), ("amd64", "arm64")])
def test_given_an_image_layout_when_packed_then_every_platform_is_kept(
    tmp_path: Path, architectures: tuple[str, ...]
) -> None:
    folder = tmp_path / "image"
    folder.mkdir()
    base = SERVICE_TOML.partition("[python]")[0].replace('delivery = "python"', 'delivery = "image"')
    actions = "[[actions]]" + SERVICE_TOML.partition("[[actions]]")[2].partition("[[examples]]")[0]
    toml = base + '[image]\nlayout = "oci"\n[image.http]\nport = 8080\n' + actions
    (folder / "capmart.toml").write_text(toml.replace('"schemas/area.input.json"', '{ type = "object" }'))
    make_image_layout(folder / "oci", architectures=architectures)

    image = pack(folder, tmp_path / "out").layout.image

    assert image is not None
    found = [(manifest.descriptor.platform or {})["architecture"] for manifest in image.manifests]
    assert found == list(architectures)


def test_given_a_name_for_the_package_when_packed_then_written_there(tmp_path: Path) -> None:
    packed = pack_project(files_project(tmp_path / "guide"), tmp_path / "x" / "mine.tar", no_runner)

    assert packed.path == tmp_path / "x" / "mine.tar"


def test_given_a_malformed_project_when_packed_then_nothing_is_written(tmp_path: Path) -> None:
    folder = files_project(tmp_path / "guide", FILES_TOML.replace("CC-BY-4.0", "free"))

    assert [problem.rule for problem in problems_of_packing(folder, tmp_path / "out")] == ["licence"]
    assert not (tmp_path / "out").exists()
