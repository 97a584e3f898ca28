"""Manifest JSON of a component's actions. The only module that imports pydantic, and only when it is used."""

from __future__ import annotations

import inspect
import typing
from dataclasses import field as dataclass_field
from dataclasses import make_dataclass
from typing import TYPE_CHECKING, Any

from capmart_component._collect import BoundAction, collect
from capmart_component._compile import object_type, required_keys

if TYPE_CHECKING:
    from capmart_component._declare import Field

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NUMBER_BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
_LENGTH_BOUNDS = {
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
}


def describe(source: Any) -> list[dict[str, Any]]:
    """The actions of a component as the manifest has them: name, titles, summary, input and output schema.

    Needs pydantic, whose JSON Schema (2020-12) it is; the sandbox's describe step has a pinned one.

    Args:
        source: a module, a class with actions, or an instance of one.

    Raises:
        DeclarationError: see :func:`capmart_component.collect`.
    """
    return [_describe(action) for action in collect(source).values()]


def _describe(action: BoundAction) -> dict[str, Any]:
    declaration = action.declaration
    accepted = _schema(action.whole or _input_type(action), mode="validation")
    accepted["title"] = declaration.title_en
    described: dict[str, Any] = {
        "name": action.name,
        "title": {"zh": declaration.title_zh, "en": declaration.title_en},
        "input": accepted,
        "output": _schema(action.result, mode="serialization"),
        "idempotent": declaration.idempotent,
    }
    if declaration.summary_zh and declaration.summary_en:
        described["summary"] = {"zh": declaration.summary_zh, "en": declaration.summary_en}
    return described


def _input_type(action: BoundAction) -> Any:
    """A dataclass with the action's parameters as fields."""
    fields: list[tuple[str, Any, Any]] = []
    for name, (hint, default) in action.parameters.items():
        if default is inspect.Parameter.empty:
            fields.append((name, hint, dataclass_field()))
        elif isinstance(default, (list, dict)):
            fields.append((name, hint, dataclass_field(default_factory=default.copy)))
        else:
            fields.append((name, hint, dataclass_field(default=default)))
    return make_dataclass(action.name, fields, kw_only=True)


def _schema(hint: Any, *, mode: typing.Literal["validation", "serialization"]) -> dict[str, Any]:
    from pydantic import TypeAdapter  # noqa: PLC0415 -- only the describe step has it
    from pydantic.json_schema import GenerateJsonSchema  # noqa: PLC0415 -- same

    class Generator(GenerateJsonSchema):
        """Decimals are text both ways, as the codecs read and write them."""

        def decimal_schema(self, schema: Any) -> dict[str, Any]:
            pattern = self.get_decimal_pattern(schema)
            return {"type": "string"} if pattern is None else {"type": "string", "pattern": pattern}

    _expose(hint, set())
    made: dict[str, Any] = TypeAdapter(hint).json_schema(mode=mode, schema_generator=Generator)
    return {"$schema": _DIALECT, **made}


def _expose(hint: Any, seen: set[Any]) -> None:
    """Prepare every dataclass and ``TypedDict`` below ``hint`` for pydantic; this process only describes and then ends.

    They refuse unknown properties, as the codecs do; and a ``typing.TypedDict``, which pydantic cannot read before
    Python 3.12, shows it a twin made with ``typing_extensions``.
    """
    if isinstance(hint, type) and object_type(hint) and hint not in seen:
        seen.add(hint)
        strict: dict[str, Any] = {"extra": "forbid"}
        if not typing.is_typeddict(hint):  # a result's dataclass always has all its fields
            strict["json_schema_serialization_defaults_required"] = True
        if "__pydantic_config__" not in vars(hint):
            setattr(hint, "__pydantic_config__", strict)  # noqa: B010 -- pydantic's protocol for plain classes
        if typing.is_typeddict(hint):
            _give_twin(hint, strict)
        for inner in typing.get_type_hints(hint, include_extras=True).values():
            _expose(inner, seen)
    for inner in typing.get_args(hint):
        _expose(inner, seen)
    if (supertype := getattr(hint, "__supertype__", None)) is not None:
        _expose(supertype, seen)


def _give_twin(cls: Any, config: dict[str, Any]) -> None:
    if "__get_pydantic_core_schema__" in vars(cls) or type(cls).__module__ != "typing":
        return
    import typing_extensions  # noqa: PLC0415 -- comes with pydantic

    hints: dict[str, Any] = typing.get_type_hints(cls, include_extras=True)
    required = required_keys(cls, hints)
    items: dict[str, Any] = {}
    for name, hint in hints.items():
        plain = typing.get_args(hint)[0] if typing.get_origin(hint) in {typing.Required, typing.NotRequired} else hint
        items[name] = plain if name in required else typing.NotRequired[plain]
    make: Any = typing_extensions.TypedDict
    twin = make(cls.__name__, items)
    twin.__doc__, twin.__module__, twin.__pydantic_config__ = cls.__doc__, cls.__module__, config
    cls.__get_pydantic_core_schema__ = classmethod(lambda _cls, _source, handler: handler.generate_schema(twin))


def annotate(field: Field, schema: dict[str, Any], handler: Any) -> dict[str, Any]:
    """Add the titles, unit, example and bounds of ``field`` to the JSON Schema of its type."""
    from pydantic_core import to_jsonable_python  # noqa: PLC0415 -- only the describe step has it

    texts = {"title": field.en, "x-title-zh": field.zh, "x-unit": field.unit}
    texts |= {"description": field.en_help, "x-description-zh": field.zh_help, "pattern": field.pattern}
    if field.example is not None:
        schema["examples"] = [to_jsonable_python(field.example)]
    bounds = {keyword: getattr(field, name) for name, keyword in _NUMBER_BOUNDS.items()}
    bounded = field.min_length is not None or field.max_length is not None
    for kind in _types(schema, handler) & _LENGTH_BOUNDS.keys() if bounded else ():
        low, high = _LENGTH_BOUNDS[kind]
        bounds |= {low: field.min_length, high: field.max_length}
    schema.update({keyword: value for keyword, value in {**texts, **bounds}.items() if value is not None})
    return schema


def _types(schema: dict[str, Any], handler: Any) -> set[str]:
    """The JSON types that a schema allows, through references and unions."""
    resolved = handler.resolve_ref_schema(schema)
    found = {resolved["type"]} if isinstance(resolved.get("type"), str) else set()
    return found.union(*(_types(option, handler) for option in resolved.get("anyOf", ())))
