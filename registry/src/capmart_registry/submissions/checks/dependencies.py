"""Check ``dependencies``: what the component needs, and what that needs, can be installed from this catalog."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from capmart_core.errors import Unresolvable
from capmart_core.hooks import hookimpl
from capmart_core.ledger import ReleaseState
from capmart_core.resolver import resolve
from capmart_core.text import Text
from capmart_core.versions import Range
from capmart_registry.hooks.subject import CheckSubject, Finding

_FILE = "capmart.toml"


@hookimpl
def capmart_check(subject: CheckSubject) -> Iterator[Finding]:
    """The resolver that installs must find a set of versions, without a circle."""
    if not subject.manifest.dependencies:
        return
    own = subject.manifest.id, Range.parse(f"={subject.manifest.version}")
    try:
        resolve([own], _WithSubject(subject))
    except Unresolvable as error:
        yield Finding(
            severity="error",
            file=_FILE,
            rule="dependency_unresolvable",
            message=Text(zh=error.message("zh")[:2000], en=error.message("en")[:2000]),
            next=Text(
                zh="放宽版本范围，或先让依赖上架，然后重新提交",
                en="Widen the range, or have the dependency listed first; then submit again",
            ),
        )


@dataclass(frozen=True)
class _WithSubject:
    """The catalog as it would be with the submission in it."""

    subject: CheckSubject

    def versions(self, component: str) -> list[str]:
        known = self.subject.catalog.releases(component)
        versions = [one.version for one in known if ReleaseState(one.state).resolvable]
        return [*versions, self.subject.manifest.version] if component == self.subject.manifest.id else versions

    def dependencies(self, component: str, version: str) -> tuple[tuple[str, Range], ...]:
        if (component, version) == (self.subject.manifest.id, self.subject.manifest.version):
            return tuple((one.id, Range.parse(one.range)) for one in self.subject.manifest.dependencies)
        return self.subject.catalog.dependencies(component, version)
