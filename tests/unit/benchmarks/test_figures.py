from __future__ import annotations

import json
from pathlib import Path

from tests.benchmarks.figures import Figure, Goal, save, table

FIGURES = (
    Figure("warm call", 2.0, "ms", 500.0, "docker run", Goal(1 / 200)),
    Figure("pull", 300.0, "/s", 250.0, "docker-registry", Goal(1.5, "least")),
    Figure("start", 4.0, "s", goal=Goal(3, of="ours")),
    Figure("search", 600.0, "/s", goal=Goal(500, "least", "ours")),
    Figure("push", 20.0, "/s", goal=Goal(0.6, "least")),
    Figure("memory", 12345.0, "MiB"),
)


def test_given_figures_when_printed_then_each_is_a_line_that_says_whether_its_goal_holds() -> None:
    lines = [[cell.strip() for cell in line.split("|")] for line in table(FIGURES).splitlines()]
    assert lines == [
        ["figure", "ours", "beside", "ratio", "goal", "holds"],
        ["warm call", "2 ms", "500 ms docker run", "1/250", "≤ 1/200", "yes"],
        ["pull", "300 /s", "250 /s docker-registry", "1.20", "≥ 1.50", "no"],
        ["start", "4 s", "-", "-", "≤ 3 s", "no"],
        ["search", "600 /s", "-", "-", "≥ 500 /s", "yes"],
        ["push", "20 /s", "-", "-", "≥ 0.60", "-"],
        ["memory", "12,345 MiB", "-", "-", "-", "-"],
    ]


def test_given_figures_when_saved_then_the_file_says_the_same(tmp_path: Path) -> None:
    save(FIGURES, tmp_path / "bench" / "area.json", area="area")
    saved = json.loads((tmp_path / "bench" / "area.json").read_text("utf-8"))
    assert saved["area"] == "area"
    assert [row["holds"] for row in saved["figures"]] == [True, False, False, True, None, None]
    assert saved["figures"][0]["ratio"] == 2.0 / 500.0
