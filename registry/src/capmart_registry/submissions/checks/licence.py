"""Check ``licence``: a known licence expression (SPDX), by the library ``license-expression``."""

from __future__ import annotations

from collections.abc import Iterator

from capmart_core.hooks import hookimpl
from capmart_core.manifest import problems_of
from capmart_registry.hooks.subject import CheckSubject, Finding
from capmart_registry.submissions.checks.manifest import LICENCE_FIELD, as_finding


@hookimpl
def capmart_check(subject: CheckSubject) -> Iterator[Finding]:
    """The expression must parse and name licences that exist."""
    for problem in problems_of(subject.layout.config_bytes):
        if problem.field == LICENCE_FIELD:
            yield as_finding(problem)
