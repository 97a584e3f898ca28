"""What is promised in ``capmart.toml`` is there, and every row of the table has a source."""

from __future__ import annotations

import csv
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[1]


def test_given_the_project_when_its_files_are_looked_for_then_all_are_there_and_none_is_empty() -> None:
    project = tomllib.loads((PROJECT / "capmart.toml").read_text("utf-8"))

    assert all((PROJECT / "files" / file["path"]).stat().st_size for file in project["files"])


def test_given_the_table_when_read_then_every_row_is_whole_and_has_source_and_year() -> None:
    with (PROJECT / "files/table.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    assert rows
    for row in rows:
        assert None not in row
        assert row["source"]
        assert row["year"].isdigit()
    assert len({row["code"] for row in rows}) == len(rows)
