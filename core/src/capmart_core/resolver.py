"""Which versions to install, so that every range asked for is kept: resolvelib over semantic versions."""

from __future__ import annotations

import graphlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from resolvelib import AbstractProvider, BaseReporter, Resolver
from resolvelib.resolvers import RequirementInformation, ResolutionImpossible, ResolutionTooDeep
from semver import Version
from typing_extensions import override

from capmart_core.errors import Unresolvable
from capmart_core.versions import Range, parse_version

_MAX_ROUNDS = 10_000
_SHOWN = 8


class Candidates(Protocol):
    """What there is to choose from, for example a node's verified ledger."""

    def versions(self, component: str) -> Iterable[str]:
        """Versions of ``component`` that may be installed, in any order; none when it is unknown."""

    def dependencies(self, component: str, version: str) -> Iterable[tuple[str, Range]]:
        """What this release asks for."""


@dataclass(frozen=True)
class _Wanted:
    component: str
    range: Range


@dataclass(frozen=True)
class _Candidate:
    component: str
    version: Version


def resolve(
    wanted: Iterable[tuple[str, Range]], candidates: Candidates, *, preferred: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Choose a version of every component asked for and of everything that those depend on.

    Args:
        wanted: components and ranges asked for.
        candidates: what there is.
        preferred: versions to keep where the ranges allow it, for example those of a lock file; elsewhere the highest
            version is chosen.

    Returns:
        versions by component, each after those that it depends on, which is the order to install them in.

    Raises:
        Unresolvable: no choice keeps every range, or components depend on each other in a circle; says which.
    """
    provider = _Provider(candidates, dict(preferred or {}))
    roots = [_Wanted(component, wanted_range) for component, wanted_range in wanted]
    resolver: Resolver[_Wanted, _Candidate, str] = Resolver(provider, BaseReporter())
    try:
        result = resolver.resolve(roots, max_rounds=_MAX_ROUNDS)
    except ResolutionImpossible as error:
        raise Unresolvable(reason=_explain(error.causes, candidates)) from error
    except ResolutionTooDeep as error:
        raise Unresolvable(reason=f"> {_MAX_ROUNDS}") from error
    chosen = {component: candidate.version for component, candidate in result.mapping.items()}
    graph = {
        component: {name for name, _ in candidates.dependencies(component, str(version))}
        for component, version in sorted(chosen.items())
    }
    try:
        order = list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        raise Unresolvable(reason=" → ".join(reversed(error.args[1]))) from error
    return {component: str(chosen[component]) for component in order}


class _Provider(AbstractProvider[_Wanted, _Candidate, str]):
    def __init__(self, candidates: Candidates, preferred: dict[str, str]) -> None:
        self._candidates = candidates
        self._preferred = preferred

    @override
    def identify(self, requirement_or_candidate: _Wanted | _Candidate) -> str:
        return requirement_or_candidate.component

    @override
    def get_preference(
        self,
        identifier: str,
        resolutions: Mapping[str, _Candidate],
        candidates: Mapping[str, Iterator[_Candidate]],
        information: Mapping[str, Iterator[RequirementInformation[_Wanted, _Candidate]]],
        backtrack_causes: Iterable[RequirementInformation[_Wanted, _Candidate]],
    ) -> tuple[bool, str]:
        causes = {cause.requirement.component for cause in backtrack_causes}
        return identifier not in causes, identifier

    @override
    def find_matches(
        self,
        identifier: str,
        requirements: Mapping[str, Iterator[_Wanted]],
        incompatibilities: Mapping[str, Iterator[_Candidate]],
    ) -> list[_Candidate]:
        ranges = [requirement.range for requirement in requirements[identifier]]
        refused = {candidate.version for candidate in incompatibilities[identifier]}
        kept = self._preferred.get(identifier)
        matching = [
            version
            for version in map(parse_version, self._candidates.versions(identifier))
            if version not in refused and all(wanted.matches(version) for wanted in ranges)
        ]
        matching.sort(key=lambda version: (str(version) == kept, version), reverse=True)
        return [_Candidate(identifier, version) for version in matching]

    @override
    def is_satisfied_by(self, requirement: _Wanted, candidate: _Candidate) -> bool:
        return requirement.range.matches(candidate.version)

    @override
    def get_dependencies(self, candidate: _Candidate) -> list[_Wanted]:
        wanted = self._candidates.dependencies(candidate.component, str(candidate.version))
        return [_Wanted(component, wanted_range) for component, wanted_range in wanted]


def _explain(causes: Iterable[RequirementInformation[_Wanted, _Candidate]], candidates: Candidates) -> str:
    """Who asks for what, and what there is; written so that it reads in either language."""
    parts: list[str] = []
    names: list[str] = []
    for cause in causes:
        asked = f"{cause.requirement.component} {cause.requirement.range}"
        parent = cause.parent
        parts.append(asked if parent is None else f"{parent.component}@{parent.version} → {asked}")
        names.append(cause.requirement.component)
    for name in dict.fromkeys(names):
        versions = sorted(map(parse_version, candidates.versions(name)), reverse=True)
        listed = ", ".join(map(str, versions[:_SHOWN])) + (", …" if len(versions) > _SHOWN else "")
        parts.append(f"{name}: {listed or '∅'}")
    return "; ".join(dict.fromkeys(parts))
