"""Check ``manifest``: every rule of the manifest and of this center's taxonomies."""

from __future__ import annotations

from collections.abc import Iterator

from capmart_core.hooks import hookimpl
from capmart_core.manifest import Problem, problems_of
from capmart_core.text import Text
from capmart_registry.hooks.subject import CheckSubject, Finding

LICENCE_FIELD = "licence"
_PROJECT = "capmart.toml"


@hookimpl
def capmart_check(subject: CheckSubject) -> Iterator[Finding]:
    """All problems in one go; the licence has a check of its own."""
    for problem in problems_of(subject.layout.config_bytes):
        if problem.field != LICENCE_FIELD:
            yield as_finding(problem)


def as_finding(problem: Problem) -> Finding:
    """A problem of the manifest as a finding that blocks."""
    place = problem.field or problem.file
    hint_zh = f"，例如 {problem.example}" if problem.example else ""
    hint_en = f", for example {problem.example}" if problem.example else ""
    return Finding(
        severity="error",
        file=problem.file,
        rule=problem.rule,
        message=Text(zh=f"{place}：{problem.message('zh')}", en=f"{place}: {problem.message('en')}"),
        next=Text(
            zh=f"在 {_PROJECT} 中修正 {place}{hint_zh}，然后重新打包并提交",
            en=f"Mend {place} in {_PROJECT}{hint_en}, then pack and submit again",
        ),
    )
