"""An author's project folder: read whole, every problem named at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from capmart_core.errors import InvalidProject
from capmart_core.manifest import rules
from capmart_core.manifest.problems import Problem
from capmart_sdk.author.contents import PROJECT_FILE, DataSource
from capmart_sdk.author.lock import LockedWheel
from capmart_sdk.author.project_file import ProjectFile

Json = Any


@dataclass(frozen=True)
class Project:
    """A project that has been read.

    Attributes:
        folder: where it lies.
        data: ``capmart.toml``.
        actions: as in a manifest, for what does not describe itself.
        examples: as in a manifest, files read.
        sources: for each example, the files that its input and output were read from; nothing for what stands inline.
        files: data files.
        locked: third-party wheels.
        requirements: the dependencies in ``pyproject.toml``.
        changelog: the section of ``CHANGELOG.md`` about this version.
    """

    folder: Path
    data: ProjectFile
    actions: tuple[dict[str, Json], ...] = ()
    examples: tuple[dict[str, Json], ...] = ()
    sources: tuple[Mapping[str, str], ...] = ()
    files: tuple[DataSource, ...] = ()
    locked: tuple[LockedWheel, ...] = ()
    requirements: tuple[str, ...] = ()
    changelog: str | None = None

    @property
    def describes_itself(self) -> bool:
        """Whether its actions come from its code, described in the sandbox."""
        return self.data.python is not None and self.data.python.http is None


def example_problems(
    examples: tuple[dict[str, Json], ...], sources: tuple[Mapping[str, str], ...], actions: list[dict[str, Json]]
) -> Iterator[Problem]:
    """Where examples name no action or do not match its schemas; what was read from a file is named by that file."""
    pairs = list(zip(examples, sources, strict=True))
    inline = [{name: value for name, value in example.items() if name not in source} for example, source in pairs]
    yield from rules.check_examples(inline, actions, PROJECT_FILE, "examples")
    by_name = {action.get("name"): action for action in actions}
    for example, source in pairs:
        action = by_name.get(str(example.get("action")))
        for side, file in source.items():
            if action is not None and side in example:
                yield from rules.check_value(example[side], action.get(side), file, "")


def raise_problems(folder: Path, problems: list[Problem]) -> NoReturn:
    """Refuse a project for its problems.

    Raises:
        InvalidProject: always.
    """
    raise InvalidProject(count=len(problems), file=folder.resolve().name or str(folder), problems=problems)
