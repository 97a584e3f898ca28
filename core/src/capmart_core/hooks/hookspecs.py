"""What an extension may add to core: plain functions, marked with :data:`hookimpl`.

They stand in a module that an entry point names:

::

    [project.entry-points."capmart.extensions"]
    my-province = "my_province.extension"
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from capmart_core.taxonomy.models import TaxonomyTable

PROJECT = "capmart"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def capmart_taxonomies() -> list[TaxonomyTable]:  # type: ignore[empty-body]
    """Tables of codes to offer beside Capmart's own; called once, when the first table is asked for.

    A table with a name that exists is joined to it: new codes are added, codes that exist keep their first meaning.
    """
