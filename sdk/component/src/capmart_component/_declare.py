"""The declarations an author writes: ``@action``, ``@component`` and ``Field``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

_F = TypeVar("_F", bound=Callable[..., Any])
_C = TypeVar("_C", bound=type)

ACTION_MARK = "__capmart_action__"
COMPONENT_MARK = "__capmart_component__"


@dataclass(frozen=True, eq=False)  # by identity, so that it is hashable whatever its example is
class Field:
    """What a person needs to know about one value, and its bounds; written inside ``Annotated``.

    >>> from typing import Annotated
    >>> Minutes = Annotated[float, Field(zh="计划时间", en="Planned time", unit="min", example=420, ge=0)]

    Bounds become part of the JSON Schema and are checked again before the action runs. They concern numbers (``ge``,
    ``gt``, ``le``, ``lt``), text (``min_length``, ``max_length``, ``pattern``) and lists or mappings (``min_length``,
    ``max_length``).

    Args:
        zh: title in Chinese.
        en: title in English.
        unit: unit of a quantity, for example ``kWh``.
        example: a value of the declared type, or its JSON form.
        ge: smallest value allowed.
        gt: the value must be greater than this.
        le: largest value allowed.
        lt: the value must be less than this.
        pattern: regular expression that must match somewhere in the text; anchor it with ``^`` and ``$``.
        zh_help: a sentence more, in Chinese.
        en_help: a sentence more, in English.
    """

    zh: str
    en: str
    unit: str | None = None
    example: Any = None
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    zh_help: str | None = None
    en_help: str | None = None

    @property
    def bounded(self) -> bool:
        """Whether it limits values, beyond describing them."""
        limits = (self.ge, self.gt, self.le, self.lt, self.min_length, self.max_length, self.pattern)
        return any(limit is not None for limit in limits)

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: Any) -> dict[str, Any]:
        """Add this field's text and bounds to the JSON Schema that pydantic makes of its type."""
        from capmart_component._describe import annotate  # noqa: PLC0415 -- only the describe step needs it

        return annotate(self, dict(handler(core_schema)), handler)


@dataclass(frozen=True)
class Declaration:
    """What ``@action`` was given."""

    name: str
    title_zh: str
    title_en: str
    summary_zh: str | None
    summary_en: str | None
    idempotent: bool


def action(
    *,
    title_zh: str,
    title_en: str,
    summary_zh: str | None = None,
    summary_en: str | None = None,
    name: str | None = None,
    idempotent: bool = True,
) -> Callable[[_F], _F]:
    """Offer a function or method as an action of the component. The function itself stays as it is.

    Every parameter and the result need a type. The parameters are the properties of the input object; see
    :func:`capmart_component.collect` for the one exception.

    Args:
        title_zh: title in Chinese.
        title_en: title in English.
        summary_zh: what it is for, in Chinese; give both summaries or none.
        summary_en: what it is for, in English.
        name: the action's name; the function's own name when left out.
        idempotent: whether calling it twice does no more than calling it once, so that it may be retried.
    """

    def mark(function: _F) -> _F:
        called = name or function.__name__
        setattr(function, ACTION_MARK, Declaration(called, title_zh, title_en, summary_zh, summary_en, idempotent))
        return function

    return mark


def component(cls: _C) -> _C:
    """Offer a class: it is instantiated once, without arguments, and its ``@action`` methods are the actions.

    ``__init__`` is the place for what is read or computed once, such as an index over data files.
    """
    setattr(cls, COMPONENT_MARK, True)
    return cls


def declaration_of(function: object) -> Declaration | None:
    """What ``@action`` was given for ``function``; None when it is not an action."""
    found = getattr(function, "__dict__", {}).get(ACTION_MARK)
    return found if isinstance(found, Declaration) else None
