"""Codecs: how values of one type are read from JSON values and written back.

``decode`` checks what comes from outside and says in both languages what was expected; ``encode`` checks what an
author's code returned. Both report the place by prepending to :class:`Mismatch` on the way up, so that the good path
costs nothing.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any

from capmart_component._declare import Field
from capmart_component.errors import ActionError


class Mismatch(Exception):  # noqa: N818 -- a signal between codecs, never seen outside
    """A value is not of the type; ``place`` grows while it travels up."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh = zh
        self.en = en
        self.place: list[str | int] = []

    def at(self, part: str | int) -> Mismatch:
        """The same mismatch, seen from one level further out."""
        self.place.insert(0, part)
        return self

    @property
    def path(self) -> str:
        """Where, for example ``shifts[2].good``."""
        text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.place)
        return text.removeprefix(".")


_KINDS: dict[type, tuple[str, str]] = {
    dict: ("对象", "an object"),
    list: ("列表", "a list"),
    str: ("文本", "text"),
    bool: ("布尔值", "a boolean"),
    int: ("整数", "an integer"),
    float: ("数字", "a number"),
    type(None): ("空值", "null"),
}


def wrong(zh: str, en: str, value: object) -> Mismatch:
    """A mismatch that says what was expected and what came."""
    found_zh, found_en = _KINDS.get(type(value), (type(value).__name__, type(value).__name__))
    return Mismatch(f"应为{zh}，实为{found_zh}", f"expected {en}, got {found_en}")


class Codec:
    """Reads and writes the values of one type."""

    def decode(self, value: Any) -> Any:
        """The value that the author's code sees.

        Raises:
            Mismatch: ``value`` is not of the type.
        """
        raise NotImplementedError

    def encode(self, value: Any) -> Any:
        """The JSON value of what the author's code returned.

        Raises:
            Mismatch: ``value`` is not of the type.
        """
        return self.decode(value)


class AnyCodec(Codec):
    """Any JSON value, unchanged."""

    def decode(self, value: Any) -> Any:
        return value

    def encode(self, value: Any) -> Any:
        if value is None or isinstance(value, (bool, str)):
            return value
        if isinstance(value, float):
            return FLOAT.encode(value)
        if isinstance(value, int):
            return value
        if isinstance(value, Mapping):
            return DictCodec(self).encode(value)
        if isinstance(value, (list, tuple)):
            return ListCodec(self, list).encode(value)
        raise wrong("JSON 值", "a JSON value", value)


class NoneCodec(Codec):
    """``None``, JSON null."""

    def decode(self, value: Any) -> None:
        if value is not None:
            raise wrong("空值", "null", value)


class BoolCodec(Codec):
    """``bool``."""

    def decode(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise wrong("布尔值", "a boolean", value)
        return value


class StrCodec(Codec):
    """``str``."""

    def decode(self, value: Any) -> str:
        if not isinstance(value, str):
            raise wrong("文本", "text", value)
        return value


class IntCodec(Codec):
    """``int``. JSON Schema counts 3.0 as an integer, so it is read as 3. Written: anything with ``__index__``."""

    def decode(self, value: Any) -> int:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if isinstance(value, float) and value.is_integer():
            return int(value)
        raise wrong("整数", "an integer", value)

    def encode(self, value: Any) -> int:
        if isinstance(value, bool) or not hasattr(value, "__index__"):
            raise wrong("整数", "an integer", value)
        return int(value)


class FloatCodec(Codec):
    """``float``, always finite. Written: anything with ``__float__`` that is not text."""

    def decode(self, value: Any) -> float:
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise wrong("数字", "a number", value)
        return self._finite(value)

    def encode(self, value: Any) -> float:
        if isinstance(value, (bool, str)) or not hasattr(value, "__float__"):
            raise wrong("数字", "a number", value)
        return self._finite(value)

    @staticmethod
    def _finite(value: Any) -> float:
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise Mismatch(f"{number} 不是有限数", f"{number} is not a finite number")
        return number


FLOAT = FloatCodec()


class LiteralCodec(Codec):
    """One of some given values."""

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = tuple(values)

    def decode(self, value: Any) -> Any:
        for allowed in self.values:
            if value == allowed and isinstance(value, bool) == isinstance(allowed, bool):
                return allowed
        listed = ", ".join(repr(allowed) for allowed in self.values[:50])
        raise Mismatch(f"应为以下之一：{listed}", f"expected one of {listed}")


class EnumCodec(LiteralCodec):
    """A member of an ``Enum``, written as its value."""

    def __init__(self, enum: type[Enum]) -> None:
        super().__init__([member.value for member in enum])
        self.enum = enum

    def decode(self, value: Any) -> Enum:
        return self.enum(super().decode(value))

    def encode(self, value: Any) -> Any:
        if not isinstance(value, self.enum):
            raise wrong(self.enum.__name__, f"a member of {self.enum.__name__}", value)
        return value.value


class SpelledCodec(Codec):
    """A type that JSON has no form for, written as text: dates, times, decimals.

    Args:
        cls: the type.
        parse: reads the text; raises ``ValueError`` or ``ArithmeticError``.
        spell: writes it; raises ``ValueError``.
        form_zh: what the text should look like, in Chinese.
        form_en: the same in English.
    """

    def __init__(
        self, cls: type, parse: Callable[[str], Any], spell: Callable[[Any], str], form_zh: str, form_en: str
    ) -> None:
        self.cls, self.parse, self.spell = cls, parse, spell
        self.form_zh, self.form_en = form_zh, form_en

    def decode(self, value: Any) -> Any:
        if not isinstance(value, str):
            raise wrong(self.form_zh, self.form_en, value)
        try:
            return self.parse(value)
        except (ValueError, ArithmeticError):
            found = repr(value[:80])
            raise Mismatch(f"应为{self.form_zh}，实为 {found}", f"expected {self.form_en}, got {found}") from None

    def encode(self, value: Any) -> str:
        if type(value) is not self.cls:
            raise wrong(self.form_zh, self.form_en, value)
        try:
            return self.spell(value)
        except ValueError:
            raise Mismatch(f"应为{self.form_zh}，实为 {value}", f"expected {self.form_en}, got {value}") from None


class ListCodec(Codec):
    """``list[T]``, ``tuple[T, ...]`` and ``Sequence[T]``."""

    def __init__(self, item: Codec, make: Callable[[list[Any]], Any]) -> None:
        self.item, self.make = item, make

    def decode(self, value: Any) -> Any:
        if not isinstance(value, (list, tuple)):
            raise wrong("列表", "a list", value)
        return self.make(_each(self.item.decode, value))

    def encode(self, value: Any) -> list[Any]:
        if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Sequence):
            raise wrong("列表", "a list", value)
        return _each(self.item.encode, value)


def _each(convert: Callable[[Any], Any], values: Sequence[Any]) -> list[Any]:
    done: list[Any] = []
    try:
        for value in values:
            done.append(convert(value))  # noqa: PERF401 -- the length is the index of what failed
    except Mismatch as problem:
        raise problem.at(len(done)) from None
    return done


class TupleCodec(Codec):
    """``tuple[A, B]``: as many values as there are types."""

    def __init__(self, items: Sequence[Codec]) -> None:
        self.items = tuple(items)

    def decode(self, value: Any) -> tuple[Any, ...]:
        return tuple(self._convert(value, [item.decode for item in self.items]))

    def encode(self, value: Any) -> list[Any]:
        return self._convert(value, [item.encode for item in self.items])

    def _convert(self, value: Any, converts: Sequence[Callable[[Any], Any]]) -> list[Any]:
        if not isinstance(value, (list, tuple)) or len(value) != len(converts):
            raise wrong(f" {len(converts)} 个值的列表", f"a list of {len(converts)} values", value)
        pairs = list(zip(converts, value, strict=True))
        return _each(lambda pair: pair[0](pair[1]), pairs)


class DictCodec(Codec):
    """``dict[str, T]`` and ``Mapping[str, T]``."""

    def __init__(self, item: Codec) -> None:
        self.item = item

    def decode(self, value: Any) -> dict[str, Any]:
        return self._convert(value, self.item.decode)

    def encode(self, value: Any) -> dict[str, Any]:
        return self._convert(value, self.item.encode)

    @staticmethod
    def _convert(value: Any, convert: Callable[[Any], Any]) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise wrong("对象", "an object", value)
        done: dict[str, Any] = {}
        for key, item in value.items():
            if not isinstance(key, str):
                raise wrong("以文本为键的对象", "an object with text keys", key)
            try:
                done[key] = convert(item)
            except Mismatch as problem:
                raise problem.at(key) from None
        return done


class UnionCodec(Codec):
    """``A | B``: the first form that fits, in the order declared, but ``int`` before ``float``."""

    def __init__(self, options: Sequence[Codec]) -> None:
        self.options = sorted(options, key=lambda codec: isinstance(codec, FloatCodec))

    def decode(self, value: Any) -> Any:
        return self._first(value, [option.decode for option in self.options])

    def encode(self, value: Any) -> Any:
        return self._first(value, [option.encode for option in self.options])

    def _first(self, value: Any, converts: Sequence[Callable[[Any], Any]]) -> Any:
        problems: list[Mismatch] = []
        for convert in converts:
            try:
                return convert(value)
            except Mismatch as problem:
                problems.append(problem)
        real = [p for p, option in zip(problems, self.options, strict=True) if not isinstance(option, NoneCodec)]
        if len(real) == 1:
            raise real[0]
        raise Mismatch(
            "不符合任何一种允许的形式：" + "；".join(f"{p.path} {p.zh}".strip() for p in real),
            "none of the allowed forms fits: " + "; ".join(f"{p.path} {p.en}".strip() for p in real),
        )


class ObjectCodec(Codec):
    """A dataclass, a ``TypedDict``, or the parameters of an action.

    Unknown names are refused, so that a misspelled one is seen. The properties are filled in after the object exists,
    so that a type may contain itself.

    Args:
        make: builds the value from the properties given.
        cls: what ``encode`` accepts: the dataclass, or ``dict``.
    """

    def __init__(self, make: Callable[..., Any], cls: type) -> None:
        self.make, self.cls = make, cls
        self.properties: dict[str, Codec] = {}
        self.required: frozenset[str] = frozenset()

    def decode(self, value: Any) -> Any:
        if not isinstance(value, dict):
            raise wrong("对象", "an object", value)
        given: dict[str, Any] = {}
        for name, item in value.items():
            codec = self.properties.get(name)
            if codec is None:
                known = ", ".join(self.properties)
                raise Mismatch(f"未知字段；可用：{known}", f"unknown property; it has {known}").at(str(name)[:80])
            try:
                given[name] = codec.decode(item)
            except Mismatch as problem:
                raise problem.at(name) from None
        for name in self.properties:
            if name in self.required and name not in given:
                raise Mismatch("缺少必填项", "is required").at(name)
        try:
            return self.make(**given)
        except ActionError as refusal:
            raise Mismatch(refusal.zh, refusal.en) from refusal
        except ValueError as error:  # an ordinary __post_init__ refuses like this
            raise Mismatch(str(error), str(error)) from error

    def encode(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, self.cls):
            raise wrong(self.cls.__name__, self.cls.__name__, value)
        plain: Mapping[str, Any]
        if isinstance(value, dict):
            plain = value
            if unknown := [str(key) for key in plain if key not in self.properties]:
                raise Mismatch("未声明的字段", "is not declared").at(unknown[0])
        else:
            plain = {name: getattr(value, name) for name in self.properties}
        done: dict[str, Any] = {}
        for name, codec in self.properties.items():
            if name in plain:
                try:
                    done[name] = codec.encode(plain[name])
                except Mismatch as problem:
                    raise problem.at(name) from None
            elif name in self.required:
                raise Mismatch("缺少必填项", "is required").at(name)
        return done


class BoundedCodec(Codec):
    """Another codec with the bounds of a :class:`Field`."""

    def __init__(self, inner: Codec, field: Field) -> None:
        self.inner, self.field = inner, field
        self.pattern = None if field.pattern is None else re.compile(field.pattern)

    def decode(self, value: Any) -> Any:
        done = self.inner.decode(value)
        self._check(done)
        return done

    def encode(self, value: Any) -> Any:
        done = self.inner.encode(value)
        self._check(value)
        return done

    def _check(self, value: Any) -> None:
        field = self.field
        if isinstance(value, (Sequence, Mapping)):
            self._check_length(value)
        elif hasattr(value, "__float__") and not isinstance(value, bool):
            for limit, holds, sign in (
                (field.ge, operator.ge, "≥"),
                (field.gt, operator.gt, ">"),
                (field.le, operator.le, "≤"),
                (field.lt, operator.lt, "<"),
            ):
                if limit is not None and not holds(value, limit):
                    raise Mismatch(f"应 {sign} {limit}，实为 {value}", f"must be {sign} {limit}, got {value}")

    def _check_length(self, value: Sequence[Any] | Mapping[str, Any]) -> None:
        low, high = self.field.min_length, self.field.max_length
        if low is not None and len(value) < low:
            raise Mismatch(f"长度应至少为 {low}，实为 {len(value)}", f"must have at least {low}, has {len(value)}")
        if high is not None and len(value) > high:
            raise Mismatch(f"长度应不超过 {high}，实为 {len(value)}", f"must have at most {high}, has {len(value)}")
        if self.pattern is not None and isinstance(value, str) and self.pattern.search(value) is None:
            raise Mismatch(f"应匹配 {self.pattern.pattern}", f"must match {self.pattern.pattern}")
