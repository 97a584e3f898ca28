"""Tables of codes: business rules as versioned data, with source and year."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from capmart_core.text import Text

CodeText = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TaxonomyGroup(_Strict):
    """A heading under which items stand, for example a component's kind or a section of GB/T 4754."""

    code: CodeText
    title: Text


class TaxonomyItem(_Strict):
    """One code and what it is called.

    Attributes:
        group: code of its heading; None where the table has none.
    """

    code: CodeText
    title: Text
    group: CodeText | None = None


class TaxonomyTable(_Strict):
    """One table of codes.

    Attributes:
        name: under which manifests and programs ask for it, for example ``industries``.
        version: of this data, year first.
        year: of the source.
        source: the standard or document and its clause; says so where a code is this project's own proposal.
        items: in the order in which a person expects them.
    """

    name: CodeText
    version: Annotated[str, Field(pattern=r"^\d{4}\.\d+$")]
    year: Annotated[int, Field(ge=1949, le=2200)]
    source: Text
    groups: tuple[TaxonomyGroup, ...] = ()
    items: tuple[TaxonomyItem, ...]

    def item(self, code: str) -> TaxonomyItem | None:
        """The item with ``code``, or None."""
        return next((item for item in self.items if item.code == code), None)

    def codes(self, group: str | None = None) -> list[str]:
        """The codes, in order; only those under ``group`` when it is given."""
        return [item.code for item in self.items if group is None or item.group == group]

    def joined(self, other: TaxonomyTable) -> TaxonomyTable:
        """This table with the groups and items of ``other`` that it does not have."""
        groups = {group.code for group in self.groups}
        codes = set(self.codes())
        return self.model_copy(
            update={
                "groups": (*self.groups, *(group for group in other.groups if group.code not in groups)),
                "items": (*self.items, *(item for item in other.items if item.code not in codes)),
            }
        )
