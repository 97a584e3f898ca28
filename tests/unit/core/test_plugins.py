"""Drivers and extensions: found through entry points of real, installed distributions."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from capmart_core import taxonomy
from capmart_core.blobs import FolderBlobs
from capmart_core.drivers import BLOBS, RUNNERS, installed, load_driver
from capmart_core.errors import DriverNotFound, NotFound


def distribution(folder: Path, name: str, entry_points: str, **modules: str) -> None:
    """What an installer leaves behind for a small distribution."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(textwrap.dedent(entry_points))
    for module, code in modules.items():
        (folder / f"{module}.py").write_text(textwrap.dedent(code))


def run(folder: Path, code: str) -> dict[str, object]:
    """Run code in a fresh interpreter that sees ``folder``, and give what it prints as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={"PYTHONPATH": str(folder), "HOME": str(folder), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)
    assert isinstance(value, dict)
    return value


def test_given_the_folder_driver_when_loaded_then_built_with_its_settings(tmp_path: Path) -> None:
    assert isinstance(load_driver(BLOBS, "folder", root=tmp_path), FolderBlobs)
    assert "folder" in installed(BLOBS)


def test_given_no_such_driver_when_loaded_then_the_error_names_those_installed() -> None:
    with pytest.raises(DriverNotFound, match="docker, process"):
        load_driver(RUNNERS, "swarm")


def test_given_drivers_of_others_when_loaded_then_found_and_a_broken_one_is_named(tmp_path: Path) -> None:
    distribution(
        tmp_path,
        "others",
        """
        [capmart.blobs]
        memory = others:Memory
        broken = others_broken:Nothing
        """,
        others="class Memory:\n    def __init__(self, size): self.size = size\n",
        others_broken="import no_such_module\n",
    )

    seen = run(
        tmp_path,
        """
        import json
        from capmart_core.drivers import installed, load_driver
        from capmart_core.errors import DriverBroken
        try:
            load_driver("capmart.blobs", "broken")
        except DriverBroken as error:
            reason = error.message("en")
        print(json.dumps({
            "names": installed("capmart.blobs"), "size": load_driver("capmart.blobs", "memory", size=3).size,
            "reason": reason}))
        """,
    )

    assert set(seen["names"]) >= {"broken", "folder", "memory"}  # type: ignore[call-overload]
    assert seen["size"] == 3
    assert "no_such_module" in str(seen["reason"])


def test_given_extensions_when_tables_are_loaded_then_joined_and_broken_ones_are_named_and_left_out(
    tmp_path: Path,
) -> None:
    distribution(
        tmp_path,
        "province",
        """
        [capmart.extensions]
        province = province
        does-not-import = province_broken
        raises = province_raises
        """,
        province="""
        from capmart_core.hooks import hookimpl
        from capmart_core.taxonomy import TaxonomyItem, TaxonomyTable
        from capmart_core.text import Text

        @hookimpl
        def capmart_taxonomies():
            text = Text(zh="山", en="Hill")
            items = (TaxonomyItem(code="production", title=text), TaxonomyItem(code="chain", title=text))
            return [TaxonomyTable(name="scenarios", version="2025.1", year=2025, source=text, items=items),
                    TaxonomyTable(name="honours", version="2025.1", year=2025, source=text, items=items)]
        """,
        province_broken="1 / 0\n",
        province_raises="""
        from capmart_core.hooks import hookimpl

        @hookimpl
        def capmart_taxonomies():
            raise RuntimeError("no table today")
        """,
    )

    seen = run(
        tmp_path,
        """
        import json
        from capmart_core import taxonomy
        from capmart_core.hooks import core_plugins
        scenarios = taxonomy.load("scenarios")
        outcomes = core_plugins().call("capmart_taxonomies")
        print(json.dumps({
            "production": scenarios.item("production").title.en, "chain": scenarios.item("chain").title.en,
            "names": taxonomy.names(), "failures": dict(core_plugins().failures),
            "errors": {outcome.plugin: repr(outcome.error) for outcome in outcomes if outcome.error}}))
        """,
    )

    assert seen["production"] == "Production"
    assert seen["chain"] == "Hill"
    assert "honours" in seen["names"]  # type: ignore[operator]
    assert "does-not-import" in seen["failures"]  # type: ignore[operator]
    assert "no table today" in seen["errors"]["raises"]  # type: ignore[index]


def test_given_the_tables_when_counted_then_as_their_sources_say() -> None:
    industries = taxonomy.load("industries")

    assert len(industries.items) == 41
    assert [len(industries.codes(section)) for section in ("B", "C", "D")] == [7, 31, 3]
    assert industries.codes() == [f"{number:02}" for number in range(6, 47)]
    assert len(taxonomy.load("scenarios").codes("enterprise")) == 5
    assert len(taxonomy.load("scenarios").codes("industry-service")) == 6
    assert [len(taxonomy.load("subkinds").codes(kind)) for kind in ("knowledge", "tool", "application")] == [6, 6, 3]
    assert taxonomy.load("capabilities").codes() == ["sensing", "cognition", "decision", "regulation"]


@pytest.mark.parametrize("name", taxonomy.names())
def test_given_a_table_when_read_then_codes_are_unique_grouped_and_sourced(name: str) -> None:
    table = taxonomy.load(name)
    groups = {group.code for group in table.groups}

    assert len(set(table.codes())) == len(table.items)
    assert all(item.group in groups for item in table.items if groups)
    assert str(table.year) in table.version


def test_given_no_such_table_when_loaded_then_the_error_names_those_that_exist() -> None:
    with pytest.raises(NotFound, match="industries"):
        taxonomy.load("moods")


def test_given_the_curated_names_when_imported_then_each_is_there_and_no_other() -> None:
    core = importlib.import_module("capmart_core")

    assert all(getattr(core, name) is not None for name in core.__all__)
    with pytest.raises(AttributeError):
        _ = core.nothing
