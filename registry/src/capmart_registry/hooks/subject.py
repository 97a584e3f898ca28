"""What a check is given and what it answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from capmart_core.manifest.models import Manifest
from capmart_core.package.layout import PackageLayout
from capmart_core.ports.blobs import BlobStore
from capmart_core.ports.runner import Runner, RunSpec
from capmart_core.statements import EntryEnvelope, Publish
from capmart_core.text import Text
from capmart_core.versions import Range

Severity = Literal["error", "warning", "info"]
MAX_TEXT = 2000


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Finding(_Answer):
    """One thing that a check has to say.

    Attributes:
        severity: ``error`` blocks the listing; ``warning`` is for the reviewer; ``info`` is good to know.
        file: of the package or the author's project, for example ``manifest.json``.
        rule: stable name of the rule, for example ``version_order``.
        message: what was found, and where.
        next: what to do about it.
    """

    severity: Severity
    file: Annotated[str, Field(min_length=1, max_length=300)]
    rule: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    message: Text
    next: Text


class Measurement(_Answer):
    """What one example used when the center executed it.

    Attributes:
        wall_ms: elapsed time in milliseconds.
        cpu_ms: processor time in milliseconds; None when not measured.
        peak_mib: peak memory in MiB; None when not measured.
    """

    example: Annotated[str, Field(max_length=100)]
    action: Annotated[str, Field(max_length=64)]
    wall_ms: float
    cpu_ms: float | None = None
    peak_mib: float | None = None


@dataclass(frozen=True)
class KnownRelease:
    """A release that the catalog has."""

    version: str
    state: str
    digest: str


class CatalogLookup(ABC):
    """What a check may ask the catalog."""

    @abstractmethod
    def releases(self, component: str) -> tuple[KnownRelease, ...]:
        """Every release of ``component`` that the catalog knows, the highest version first; empty for unknown ones."""

    @abstractmethod
    def dependencies(self, component: str, version: str) -> tuple[tuple[str, Range], ...]:
        """What a release of the catalog asks for."""

    @abstractmethod
    def key(self, namespace: str, keyid: str) -> str | None:
        """Text of a key that may sign for ``namespace`` now; None for others."""


class Bench(ABC):
    """Where a check executes the component."""

    @abstractmethod
    def runner(self) -> Runner:
        """The runner of the center's settings; for a namespace that the operator trusts, else the process runner.

        Raises:
            Unavailable: nothing here can run it.
            DriverNotFound: the runner of the settings is not installed.
        """

    @abstractmethod
    def installed(self, runner: Runner) -> AbstractContextManager[RunSpec]:
        """The package's verified content on disk for the runner's runtime; gone when the context ends.

        Raises:
            RuntimeMismatch: the package has nothing for the runtime that the runner gives.
        """


@dataclass(frozen=True)
class CheckSubject:
    """A submission as checks see it.

    Attributes:
        statement: what the publisher signed.
        envelope: with the signatures.
        layout: the package's parts, which agree with each other; its manifest among them.
        sizes: of every part of the package in bytes, by digest; all of them are in the store.
        blobs: the center's store.
        catalog: what is listed.
        bench: where examples run.
    """

    statement: Publish
    envelope: EntryEnvelope
    layout: PackageLayout
    sizes: Mapping[str, int]
    blobs: BlobStore
    catalog: CatalogLookup
    bench: Bench

    @property
    def manifest(self) -> Manifest:
        """What the component says of itself."""
        return self.layout.manifest

    @property
    def release(self) -> str:
        """``namespace/name@version``."""
        return f"{self.statement.component}@{self.statement.version}"

    @property
    def namespace(self) -> str:
        """The component's namespace."""
        return self.statement.component.partition("/")[0]
