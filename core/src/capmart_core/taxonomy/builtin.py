"""Capmart's own tables, offered through the same hook as an extension's."""

from __future__ import annotations

from importlib.resources import files

from capmart_core.hooks.hookspecs import hookimpl
from capmart_core.taxonomy.models import TaxonomyTable


@hookimpl
def capmart_taxonomies() -> list[TaxonomyTable]:
    """The tables in ``data/``."""
    folder = files("capmart_core.taxonomy") / "data"
    return [
        TaxonomyTable.model_validate_json(file.read_bytes())
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".json")
    ]
