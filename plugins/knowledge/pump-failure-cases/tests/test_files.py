"""The table is whole, computes, is ranked as the guide says, and every row names its source."""

from __future__ import annotations

import csv
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[1]


def rows() -> list[dict[str, str]]:
    with (PROJECT / "files/failure-modes.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def ratings(row: dict[str, str]) -> tuple[int, int, int]:
    return int(row["severity"]), int(row["occurrence"]), int(row["detection"])


def test_given_the_project_when_its_files_are_looked_for_then_all_are_there_and_none_is_empty() -> None:
    project = tomllib.loads((PROJECT / "capmart.toml").read_text("utf-8"))
    listed = {file["path"] for file in project["files"]}

    assert listed == {file.name for file in (PROJECT / "files").iterdir()}
    assert all((PROJECT / "files" / path).stat().st_size for path in listed)


def test_given_the_table_when_read_then_every_row_is_whole_in_both_languages_and_has_its_source() -> None:
    found = rows()

    assert len(found) == 24
    assert len({row["code"] for row in found}) == 24
    for row in found:
        assert None not in row
        assert all(row.values()), row
        assert "示例" in row["source"]
        assert "illustrative" in row["source"]


def test_given_the_ratings_when_multiplied_then_the_rpn_and_the_order_are_those_of_the_table() -> None:
    found = rows()
    for row in found:
        severity, occurrence, detection = ratings(row)
        assert all(1 <= rating <= 10 for rating in ratings(row))
        assert int(row["rpn"]) == severity * occurrence * detection

    order = [(int(row["rpn"]), *ratings(row)[:2]) for row in found]
    assert order == sorted(order, reverse=True)


def test_given_equal_rpns_of_the_guide_when_ranked_then_the_severer_is_first() -> None:
    equal = [ratings(row) for row in rows() if row["rpn"] == "120"]
    assert (10, 3, 4) in equal
    assert (6, 4, 5) in equal
    assert equal.index((10, 3, 4)) < equal.index((6, 4, 5))


def test_given_the_guide_when_read_then_it_says_that_the_data_is_illustrative() -> None:
    guide = (PROJECT / "files/rating-guide.md").read_text("utf-8")
    assert "示例性数据" in guide
    assert "illustrative" in guide
