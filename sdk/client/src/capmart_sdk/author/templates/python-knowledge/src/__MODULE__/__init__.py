"""Looks up a table that comes with the package. The table is read once, when the component starts."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import Annotated

from capmart_component import ActionError, Field, action, component, files_dir


@dataclass(frozen=True)
class Term:
    """One row of ``files/terms.csv``."""

    code: Annotated[str, Field(zh="编码", en="Code")]
    zh: Annotated[str, Field(zh="中文名", en="Chinese name")]
    en: Annotated[str, Field(zh="英文名", en="English name")]
    definition_zh: Annotated[str, Field(zh="中文定义", en="Definition in Chinese")]
    definition_en: Annotated[str, Field(zh="英文定义", en="Definition in English")]
    source: Annotated[str, Field(zh="来源", en="Source")]


@component
class Terms:
    """The table and what can be asked of it."""

    def __init__(self) -> None:
        with (files_dir() / "terms.csv").open(encoding="utf-8", newline="") as file:
            self._terms = [Term(**row) for row in csv.DictReader(file)]

    @action(title_zh="按编码查询", title_en="Look up a code")
    def lookup(self, code: Annotated[str, Field(zh="编码", en="Code", example="APT", max_length=50)]) -> Term:
        """The term with ``code``.

        Raises:
            ActionError: there is none.
        """
        for term in self._terms:
            if term.code.casefold() == code.casefold():
                return term
        raise ActionError(f"没有编码 {code}", f"there is no code {code}")

    @action(title_zh="按关键词查询", title_en="Search by words")
    def search(
        self,
        words: Annotated[str, Field(zh="关键词", en="Words", example="时间", min_length=1, max_length=100)],
        limit: Annotated[int, Field(zh="最多条数", en="At most", ge=1, le=100)] = 20,
    ) -> Annotated[list[Term], Field(zh="结果", en="Results")]:
        """Terms in which every word occurs, in the table's order."""
        wanted = words.casefold().split()
        found = [term for term in self._terms if all(word in _text(term) for word in wanted)]
        return found[:limit]


def _text(term: Term) -> str:
    return f"{term.code}\n{term.zh}\n{term.en}\n{term.definition_zh}\n{term.definition_en}".casefold()
