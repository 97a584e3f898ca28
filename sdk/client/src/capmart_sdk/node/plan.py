"""What would be installed: versions chosen from the verified ledger, each with its manifest, or the reason why not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self

from capmart_core.canonical import parse_json
from capmart_core.errors import (
    CapmartError,
    ComponentNotFound,
    DigestMismatch,
    NotFound,
    NotInLog,
    ReleaseNotInstallable,
)
from capmart_core.identifiers import ComponentId
from capmart_core.ledger import ReleaseFact, ReleasePublished, ReleaseState
from capmart_core.manifest.models import Manifest
from capmart_core.resolver import resolve
from capmart_core.text import Language
from capmart_core.versions import Range, parse_version
from capmart_sdk.client import CenterClient
from capmart_sdk.client.problems import error_by_code
from capmart_sdk.follow import NodeStore
from capmart_sdk.node.content import Content
from capmart_sdk.node.lock import Lock, LockedComponent
from capmart_sdk.node.sources import Sources, not_trusted


@dataclass(frozen=True)
class Wanted:
    """A component asked for, ``namespace/name`` or ``namespace/name@RANGE``."""

    component: ComponentId
    range: Range

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read it.

        Raises:
            InvalidIdentifier, InvalidRange: it is spelled otherwise.
        """
        name, at, wanted = text.partition("@")
        return cls(ComponentId.parse(name), Range.parse(wanted if at else "*"))

    def __str__(self) -> str:
        return f"{self.component}@{self.range}"


@dataclass(frozen=True)
class PlannedRelease:
    """One release to install.

    Attributes:
        published: its publication in its home log, verified.
        requested: the range that a person asked for; None for a dependency.
        before: what is installed of the component now; None when nothing is.
        state: listed, deprecated, or yanked where the lock names it.
    """

    published: ReleasePublished
    manifest: Manifest
    requested: str | None
    before: LockedComponent | None
    state: ReleaseState

    @property
    def name(self) -> str:
        """``namespace/name@version``."""
        return f"{self.published.component}@{self.published.version}"

    @property
    def is_new(self) -> bool:
        """Whether something has to be done: it is not what is installed."""
        return self.before is None or self.before.digest != self.published.digest


@dataclass(frozen=True)
class Plan:
    """Everything to install, each after what it depends on."""

    releases: tuple[PlannedRelease, ...]

    @property
    def changes(self) -> tuple[PlannedRelease, ...]:
        """Those that are not installed yet."""
        return tuple(release for release in self.releases if release.is_new)

    def needed_by(self, components: Iterable[str]) -> list[str]:
        """These components and everything they need, in the order of the plan."""
        needs = {
            release.published.component: [each.id for each in release.manifest.dependencies]
            for release in self.releases
        }
        found: set[str] = set()
        left = list(components)
        while left:
            name = left.pop()
            if name not in found:
                found.add(name)
                left += needs.get(name, [])
        return [name for name in needs if name in found]


class Planner:
    """Chooses versions from the verified ledger.

    Args:
        store: the followed logs.
        lock: what is installed.
        sources: what the center served; says which logs are not trusted.
        client: of that center; asked why something is missing, never believed.
        content: fetches manifests by digest.
    """

    def __init__(
        self,
        store: NodeStore,
        lock: Lock,
        sources: Sources,
        client: CenterClient,
        content: Content,
        language: Language,
    ) -> None:
        self._store = store
        self._lock = lock
        self._sources = sources
        self._client = client
        self._content = content
        self._language = language
        self._manifests: dict[tuple[str, str], Manifest] = {}

    def plan(self, wanted: Iterable[Wanted]) -> Plan:
        """Choose a version of everything asked for and of everything that is needed for it.

        What is installed already stays as it is unless a range asks for another version.

        Raises:
            ComponentNotFound, NotInLog, KeyNotGranted, ReleaseNotInstallable, OriginNotTrusted…: why one asked for
                cannot be installed.
            Unresolvable: the ranges contradict each other.
        """
        asked = {str(each.component): each for each in wanted}
        for each in asked.values():
            self._check_there(each)
        # What people asked for earlier goes on holding; dependencies may move.
        kept = [
            (entry.id, Range.parse(entry.requested))
            for entry in self._lock.components
            if entry.requested and entry.id not in asked
        ]
        roots = [*((name, each.range) for name, each in asked.items()), *kept]
        preferred = {entry.id: entry.version for entry in self._lock.components if entry.id not in asked}
        chosen = resolve(roots, self, preferred=preferred)
        return Plan(tuple(self._planned(name, version, asked.get(name)) for name, version in chosen.items()))

    # What the resolver asks (capmart_core.resolver.Candidates)

    def versions(self, component: str) -> list[str]:
        """Versions that may be installed: those listed, and a yanked one where the lock names it."""
        locked = self._lock.get(ComponentId.parse(component))
        return [
            fact.version
            for fact in self._store.versions(component)
            if self._is_trusted(fact)
            and (
                fact.state.resolvable
                or (fact.state.installable and locked is not None and locked.version == fact.version)
            )
        ]

    def dependencies(self, component: str, version: str) -> list[tuple[str, Range]]:
        """What a release asks for, from its manifest."""
        found = self.manifest(component, version)
        return [(each.id, Range.parse(each.range)) for each in found.dependencies]

    def manifest(self, component: str, version: str) -> Manifest:
        """The manifest of a release in the ledger, fetched by the digest that its publisher signed.

        Raises:
            DigestMismatch: what came, or what it says of itself, is something else.
        """
        known = self._manifests.get((component, version))
        if known is None:
            published = self._published(component, version)
            data = self._content.document(ComponentId.parse(component), published.config)
            value = parse_json(data, what=f"manifest of {component}@{version}", max_bytes=len(data))
            known = Manifest.model_validate(value)
            if (known.id, known.version) != (component, version):
                raise DigestMismatch(
                    what="manifest", expected=f"{component}@{version}", actual=f"{known.id}@{known.version}"
                )
            self._manifests[component, version] = known
        return known

    def _published(self, component: str, version: str) -> ReleasePublished:
        fact = self._store.release(component, version)
        if fact is None or fact.published is None:
            raise NotInLog(what=f"{component}@{version}", origin=self._sources.center)
        return fact.published

    def _is_trusted(self, fact: ReleaseFact) -> bool:
        return fact.published is not None and fact.published.origin in self._sources.logs

    def _planned(self, component: str, version: str, asked: Wanted | None) -> PlannedRelease:
        fact = self._store.release(component, version)
        before = self._lock.get(ComponentId.parse(component))
        requested = asked.range.text if asked else before.requested if before else None
        return PlannedRelease(
            published=self._published(component, version),
            manifest=self.manifest(component, version),
            requested=requested,
            before=before,
            state=fact.state if fact else ReleaseState.LISTED,
        )

    # Why something cannot be installed

    def _check_there(self, wanted: Wanted) -> None:
        name = str(wanted.component)
        matches = _matcher(wanted.range)
        if any(matches(version) for version in self.versions(name)):
            return
        for refusal in reversed(self._store.refusals(name)):
            if refusal.version is not None and matches(refusal.version):
                raise error_by_code(refusal.code, refusal.data, refusal.message(self._language))
        for fact in self._store.versions(name):
            if matches(fact.version) and self._is_trusted(fact):
                raise self._not_installable(fact)
        raise self._why_missing(wanted, matches)

    def _not_installable(self, fact: ReleaseFact) -> ReleaseNotInstallable:
        verdict = fact.verdict
        reason = verdict.reason.get(self._language) if verdict and verdict.reason else ""
        return ReleaseNotInstallable(release=fact.name, state=str(fact.state), reason=reason, component=fact.component)

    def _why_missing(self, wanted: Wanted, matches: Callable[[str], bool]) -> CapmartError:
        missing = ComponentNotFound(wanted=wanted, center=self._client.url)
        try:
            page = self._client.component(wanted.component)
        except NotFound:
            return missing
        claimed = next((row for row in page.releases if matches(row.version)), None)
        if claimed is None:
            return missing
        home = claimed.home or page.home or self._sources.center
        offer = self._sources.untrusted.get(home)
        if offer is not None:
            return not_trusted(offer, self._client.url)
        return NotInLog(what=f"{wanted.component}@{claimed.version}", origin=home)


def _matcher(wanted: Range) -> Callable[[str], bool]:
    return lambda version: wanted.matches(parse_version(version))
