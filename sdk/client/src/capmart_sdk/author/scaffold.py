"""New projects from templates."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from capmart_core.errors import InvalidIdentifier, StateConflict
from capmart_core.identifiers import ComponentId

KINDS = ("knowledge", "tool", "application")
DELIVERIES = ("python", "image", "files")

_SKIPPED = frozenset({"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache"})


@dataclass(frozen=True, order=True)
class Template:
    """What a project can start from."""

    delivery: str
    kind: str

    @property
    def name(self) -> str:
        """Its folder."""
        return f"{self.delivery}-{self.kind}"


def templates() -> list[Template]:
    """The combinations of delivery and kind that there is a template for, in the order in which they are offered."""
    names = {entry.name for entry in _root().iterdir() if entry.is_dir()}
    all_of_them = (Template(delivery, kind) for delivery in DELIVERIES for kind in KINDS)
    return [template for template in all_of_them if template.name in names]


def new_project(folder: Path, component: ComponentId, template: Template) -> Path:
    """Make a project in ``folder``, which must not hold anything yet.

    Returns:
        the project's folder.

    Raises:
        InvalidIdentifier: there is no such template.
        StateConflict: the folder is not empty.
    """
    if template not in templates():
        offered = ", ".join(f"{entry.delivery}/{entry.kind}" for entry in templates())
        raise InvalidIdentifier(
            what="template (--delivery/--kind)",
            what_zh="模板（--delivery/--kind）",
            value=f"{template.delivery}/{template.kind}",
            expected=f"one of {offered}",
            expected_zh=f"下列之一：{offered}",
            example="--delivery python --kind tool",
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StateConflict(what=folder, state="not empty", action="capmart new", needed="empty or absent")
    words = {
        "__NAMESPACE__": component.namespace,
        "__NAME__": component.name,
        "__MODULE__": module_name(component),
    }
    for path, source in _walk(_root() / template.name):
        target = folder / _fill(path, words)
        target.parent.mkdir(parents=True, exist_ok=True)
        data = source.read_bytes()
        with suppress(UnicodeDecodeError):  # a picture or the like has no words in it
            data = _fill(data.decode("utf-8"), words).encode("utf-8")
        target.write_bytes(data)
    return folder


def module_name(component: ComponentId) -> str:
    """The Python package of a component: ``acme/oee-line`` is ``acme_oee_line``."""
    name = re.sub(r"[^a-z0-9]+", "_", f"{component.namespace}_{component.name}")
    return name if name.isidentifier() and not keyword.iskeyword(name) else f"component_{name}"


def _root() -> Traversable:
    return files("capmart_sdk.author") / "templates"


def _walk(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.name in _SKIPPED or entry.name.endswith(".pyc"):
            continue
        if entry.is_dir():
            yield from _walk(entry, f"{prefix}{entry.name}/")
        else:
            yield f"{prefix}{entry.name}", entry


def _fill(text: str, words: dict[str, str]) -> str:
    for token, word in words.items():
        text = text.replace(token, word)
    return text
