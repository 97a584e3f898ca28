"""``capmart.lock``: exactly what is installed, in one spelling, so that it can be kept under version control."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from capmart_core.errors import NotInstalled, SettingsInvalid
from capmart_core.identifiers import ComponentId
from capmart_core.manifest.models import DigestText, Id, Permissions, RangeText, VersionText
from capmart_core.statements import KeyId, Origin
from capmart_sdk.files import read_json, write_json

FILE_NAME = "capmart.lock"


class LockedComponent(BaseModel):
    """One installed release.

    Attributes:
        digest: of the package's index.
        config: of the manifest.
        home: origin of the log that it is in.
        log_index: of its publication there.
        keyid: of the publisher key that signed it.
        runtime: the part of the package that was installed; None where no Python of ours runs it.
        requested: the range that a person asked for; None for a dependency.
        dependencies: ids of what it needs.
        permissions: what was granted when it was installed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Id
    version: VersionText
    digest: DigestText
    config: DigestText
    home: Origin
    log_index: Annotated[int, Field(ge=0)]
    keyid: KeyId
    runtime: str | None = None
    requested: RangeText | None = None
    dependencies: tuple[Id, ...] = ()
    permissions: Permissions = Permissions()

    @property
    def name(self) -> str:
        """``namespace/name@version``."""
        return f"{self.id}@{self.version}"


class Lock(BaseModel):
    """Everything installed in a node, by id."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    v: Literal[1] = 1
    components: tuple[LockedComponent, ...] = ()

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a lock file; an empty lock when there is none.

        Raises:
            SettingsInvalid: it is not one.
        """
        value = read_json(path)
        if value is None:
            return cls()
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise SettingsInvalid(name=str(path), reason=f"{where}: {first['msg']}") from error

    def save(self, path: Path) -> None:
        """Replace the file; a reader sees the old lock or the new one."""
        write_json(path, self.model_dump(mode="json", exclude_none=True))

    def with_changes(self, changed: Iterable[LockedComponent]) -> Self:
        """The lock with these in place of those of the same id."""
        merged = {**{entry.id: entry for entry in self.components}, **{entry.id: entry for entry in changed}}
        return self.model_copy(update={"components": tuple(merged[name] for name in sorted(merged))})

    def get(self, component: ComponentId) -> LockedComponent | None:
        """What is locked of a component, or None."""
        return next((entry for entry in self.components if entry.id == str(component)), None)

    def require(self, component: ComponentId) -> LockedComponent:
        """What is locked of a component.

        Raises:
            NotInstalled: nothing.
        """
        found = self.get(component)
        if found is None:
            raise NotInstalled(component=component)
        return found

    def __contains__(self, component: object) -> bool:
        return isinstance(component, ComponentId) and self.get(component) is not None

    def entries(self) -> Iterator[LockedComponent]:
        """Every installed release, by id."""
        return iter(self.components)
