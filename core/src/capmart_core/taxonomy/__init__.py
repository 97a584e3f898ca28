"""Taxonomies: industries, scenarios, capabilities and sub-kinds, as data that extensions may add to.

>>> from capmart_core import taxonomy
>>> taxonomy.load("industries").item("34").title.en
'Manufacture of general purpose machinery'
"""

from __future__ import annotations

from functools import cache
from types import MappingProxyType

from capmart_core.errors import NotFound
from capmart_core.hooks import core_plugins
from capmart_core.taxonomy.models import TaxonomyGroup, TaxonomyItem, TaxonomyTable

__all__ = ["TaxonomyGroup", "TaxonomyItem", "TaxonomyTable", "load", "names"]


def load(name: str) -> TaxonomyTable:
    """The table called ``name``: ``industries``, ``scenarios``, ``capabilities``, ``subkinds`` or an extension's.

    Raises:
        NotFound: there is none.
    """
    table = _tables().get(name)
    if table is None:
        raise NotFound(what=f"taxonomy {name!r} ({', '.join(names())})")
    return table


def names() -> list[str]:
    """The names of all tables, sorted."""
    return sorted(_tables())


@cache
def _tables() -> MappingProxyType[str, TaxonomyTable]:
    tables: dict[str, TaxonomyTable] = {}
    for outcome in core_plugins().call("capmart_taxonomies"):
        for table in outcome.value or ():
            known = tables.get(table.name)
            tables[table.name] = table if known is None else known.joined(table)
    return MappingProxyType(tables)
