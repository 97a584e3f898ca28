"""From a type hint to its codec."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin

from capmart_component import _codecs as codecs
from capmart_component._declare import Field
from capmart_component.errors import DeclarationError

_SIMPLE: dict[Any, codecs.Codec] = {
    Any: codecs.AnyCodec(),
    type(None): codecs.NoneCodec(),
    None: codecs.NoneCodec(),
    bool: codecs.BoolCodec(),
    int: codecs.IntCodec(),
    float: codecs.FLOAT,
    str: codecs.StrCodec(),
}
_objects: dict[type, codecs.ObjectCodec] = {}


def codec_for(hint: Any, where: str) -> codecs.Codec:
    """The codec for a type hint.

    Args:
        hint: a resolved hint, with its ``Annotated`` extras.
        where: the place in the author's code, for the message.

    Raises:
        DeclarationError: the type has no JSON form here.
    """
    if (isinstance(hint, type) or hint in (Any, None)) and hint in _SIMPLE:
        return _SIMPLE[hint]
    if (plain := _unwrapped(hint)) is not None:
        return codec_for(plain, where)
    if hasattr(hint, "__metadata__"):
        inner = codec_for(hint.__origin__, where)
        for field in (extra for extra in hint.__metadata__ if isinstance(extra, Field)):
            _check_example(inner, field, where)
            inner = codecs.BoundedCodec(inner, field) if field.bounded else inner
        return inner
    if isinstance(hint, type):
        if (found := _class_codec(hint, where)) is not None:
            return found
    elif (found := _generic_codec(hint, where)) is not None:
        return found
    raise _unsupported(hint, where)


def object_type(hint: Any) -> bool:
    """Whether a bare hint is a dataclass or a ``TypedDict``."""
    return isinstance(hint, type) and (dataclasses.is_dataclass(hint) or typing.is_typeddict(hint))


def hints_of(thing: Any, where: str) -> dict[str, Any]:
    """The resolved hints of a class or function, with their ``Annotated`` extras.

    Raises:
        DeclarationError: a name in them does not exist at run time.
    """
    try:
        return typing.get_type_hints(thing, include_extras=True)
    except NameError as error:
        raise DeclarationError(
            f"{where}: {error}; types of an action must be imported at run time, not under TYPE_CHECKING",
            f"{where}：动作所用的类型须在运行时导入，不能只写在 TYPE_CHECKING 之下",
        ) from error


def _unwrapped(hint: Any) -> Any:
    """What a transparent wrapper stands for: ``NewType``, ``Required``, ``Final``, a ``type`` alias; else None."""
    if get_origin(hint) in {typing.Required, typing.NotRequired, typing.Final}:
        return get_args(hint)[0]
    if isinstance(hint, typing.NewType):
        return hint.__supertype__
    if type(hint).__name__ == "TypeAliasType":  # Python 3.12 and later
        return hint.__value__
    return None


def _generic_codec(hint: Any, where: str) -> codecs.Codec | None:
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return codecs.LiteralCodec(args)
    if origin in (Union, types.UnionType):
        return codecs.UnionCodec([codec_for(arg, where) for arg in args])
    if origin is tuple and not (len(args) == 2 and args[1] is Ellipsis):
        return codecs.TupleCodec([codec_for(arg, f"{where}[{i}]") for i, arg in enumerate(args)])
    if origin in (tuple, list, Sequence):
        return codecs.ListCodec(codec_for(args[0], f"{where}[]"), tuple if origin is tuple else list)
    if origin in (dict, Mapping) and args[0] is str:
        return codecs.DictCodec(codec_for(args[1], f"{where}{{}}"))
    return None


def _class_codec(cls: type, where: str) -> codecs.Codec | None:
    if object_type(cls):
        return _object_codec(cls)
    if issubclass(cls, Enum):
        if all(isinstance(member.value, (str, int, float)) for member in cls):
            return codecs.EnumCodec(cls)
        raise DeclarationError(
            f"{where}: the values of {cls.__name__} must be text or numbers",
            f"{where}：{cls.__name__} 的值须为文本或数字",
        )
    if cls is list:
        return codecs.ListCodec(_SIMPLE[Any], list)
    if cls is dict:
        return codecs.DictCodec(_SIMPLE[Any])
    return _spelled_codec(cls)


def _spelled_codec(cls: Any) -> codecs.Codec | None:
    """Codecs for types that are imported only by authors who use them."""
    if (cls.__module__, cls.__name__) == ("decimal", "Decimal"):
        return codecs.SpelledCodec(
            cls, _finite_decimal(cls), str, "十进制数文本，如 12.50", "a decimal as text, like 12.50"
        )
    if (cls.__module__, cls.__name__) == ("datetime", "date"):
        return codecs.SpelledCodec(cls, cls.fromisoformat, str, "日期，如 2026-01-31", "a date like 2026-01-31")
    if (cls.__module__, cls.__name__) == ("datetime", "datetime"):
        example = "2026-01-31T08:30:00Z"
        return codecs.SpelledCodec(
            cls, _zoned(cls), _spell_moment, f"带时区的时间，如 {example}", f"a time with a time zone, like {example}"
        )
    return None


def _finite_decimal(cls: Any) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        number = cls(text)
        if not number.is_finite():
            raise ValueError(text)
        return number

    return parse


def _zoned(cls: Any) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        moment = cls.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError(text)
        return moment

    return parse


def _spell_moment(moment: Any) -> str:
    if moment.tzinfo is None:
        raise ValueError("no time zone")
    return str(moment.isoformat()).replace("+00:00", "Z")


def _object_codec(cls: type) -> codecs.ObjectCodec:
    if (known := _objects.get(cls)) is not None:
        return known
    codec = _objects[cls] = codecs.ObjectCodec(cls, dict if typing.is_typeddict(cls) else cls)
    try:
        hints = hints_of(cls, cls.__name__)
        codec.required = required_keys(cls, hints) if typing.is_typeddict(cls) else _required_fields(cls)
        codec.properties = {n: codec_for(h, f"{cls.__name__}.{n}") for n, h in hints.items() if n in _names(cls, hints)}
    except DeclarationError:
        del _objects[cls]
        raise
    return codec


def _names(cls: Any, hints: dict[str, Any]) -> set[str]:
    return set(hints) if typing.is_typeddict(cls) else {field.name for field in dataclasses.fields(cls)}


def required_keys(cls: Any, hints: dict[str, Any]) -> frozenset[str]:
    """The keys that a ``TypedDict`` must have.

    Before Python 3.14 its own ``__required_keys__`` misses ``NotRequired`` in a module with postponed annotations.
    """
    required = set(cls.__required_keys__)
    for name, hint in hints.items():
        if get_origin(hint) is typing.NotRequired:
            required.discard(name)
        elif get_origin(hint) is typing.Required:
            required.add(name)
    return frozenset(required)


def _required_fields(cls: Any) -> frozenset[str]:
    required: set[str] = set()
    for field in dataclasses.fields(cls):
        if not field.init:
            raise DeclarationError(
                f"{cls.__name__}.{field.name}: a field with init=False has no place in JSON; make it a property",
                f"{cls.__name__}.{field.name}：init=False 的字段无法用 JSON 表示；请改为 property",
            )
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            required.add(field.name)
    return frozenset(required)


def _check_example(codec: codecs.Codec, field: Field, where: str) -> None:
    if field.example is None:
        return
    try:
        plain_example(codec, field)
    except codecs.Mismatch as problem:
        raise DeclarationError(
            f"{where}: the example {field.example!r} is not of the declared type: {problem.en}",
            f"{where}：示例 {field.example!r} 不符合所声明的类型：{problem.zh}",
        ) from None


def plain_example(codec: codecs.Codec, field: Field) -> Any:
    """The example of a field in its JSON form, whichever form the author wrote.

    Raises:
        Mismatch: it is neither a value of the type nor its JSON form, or it is out of bounds.
    """
    bounded = codecs.BoundedCodec(codec, field)
    try:
        return codec.encode(bounded.decode(field.example))
    except codecs.Mismatch as problem:
        try:
            return bounded.encode(field.example)
        except codecs.Mismatch:
            raise problem from None


def _unsupported(hint: Any, where: str) -> DeclarationError:
    name = hint.__name__ if isinstance(hint, type) else str(hint)
    return DeclarationError(
        f"{where}: type {name} has no JSON form here. Use str, int, float, bool, None, Literal, Enum, date, datetime, "
        "Decimal, list[...], tuple[...], dict[str, ...], Optional, unions, dataclasses or TypedDicts of these",
        f"{where}：类型 {name} 无法用 JSON 表示。可用：str、int、float、bool、None、Literal、Enum、date、datetime、"
        "Decimal、list[...]、tuple[...]、dict[str, ...]、Optional、联合类型，以及由它们组成的 dataclass 或 TypedDict",
    )
