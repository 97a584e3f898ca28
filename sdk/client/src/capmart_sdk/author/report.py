"""Collecting problems while a project is read."""

from __future__ import annotations

from dataclasses import dataclass, field

from capmart_core.manifest.problems import NOTHING, Problem
from capmart_core.text import Text


@dataclass
class Report:
    """Problems found so far."""

    problems: list[Problem] = field(default_factory=list)

    def add(self, file: str, at: str, rule: str, *, en: str, zh: str, found: Text = NOTHING, example: str = "") -> None:
        """Note a problem; ``en`` and ``zh`` say what was expected."""
        self.problems.append(Problem(file, at, rule, Text(en=en, zh=zh), found, example))
