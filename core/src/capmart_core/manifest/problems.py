"""What is wrong with a document that a person wrote: every problem, what was expected, what was found, an example."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from capmart_core.schemas import format_path
from capmart_core.text import Language, Text

NOTHING = Text(en="nothing", zh="空缺")
_MAX_FOUND = 120


@dataclass(frozen=True)
class Problem:
    """One thing to mend.

    Attributes:
        file: relative to the project, or the manifest's name.
        field: for example ``actions[0].title.zh``; empty for the file as a whole.
        rule: stable code of the rule that was broken, for programs.
        expected: what should be there.
        found: what is there.
        example: of what would do; empty where ``expected`` says it all.
    """

    file: str
    field: str
    rule: str
    expected: Text
    found: Text
    example: str = ""

    def message(self, language: Language) -> str:
        """The problem in one line, without its place."""
        if language == "zh":
            return f"应为：{self.expected.zh}；实为：{self.found.zh}"
        return f"expected {self.expected.en}; found {self.found.en}"

    def as_json(self) -> dict[str, Any]:
        """For programs and for a review's findings."""
        return {
            "file": self.file,
            "field": self.field,
            "rule": self.rule,
            "expected": self.expected.model_dump(),
            "found": self.found.model_dump(),
            "example": self.example,
        }


def found(value: object) -> Text:
    """What was found, short enough to show."""
    text = value if isinstance(value, str) else repr(value)
    text = "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)
    text = text if len(text) <= _MAX_FOUND else f"{text[:_MAX_FOUND]}…"
    text = f'"{text}"' if isinstance(value, str) else text
    return Text(en=text, zh=text)


def nearest(wrong: object, known: Iterable[str]) -> str:
    """The known spelling that ``wrong`` was probably meant to be; empty when none is near."""
    matches = difflib.get_close_matches(str(wrong).lower()[:100], list(known), n=1, cutoff=0.5)
    return matches[0] if matches else ""


def one_of(known: Sequence[str], *, show: int = 12) -> Text:
    """``one of a, b, c`` in both languages."""
    listed = ", ".join(known[:show])
    more = "" if len(known) <= show else f", … ({len(known)})"
    return Text(en=f"one of {listed}{more}", zh=f"以下之一：{listed}{more}")


def from_validation(
    error: ValidationError,
    file: str,
    *,
    fields: Iterable[str],
    examples: Mapping[str, str],
    tags: Mapping[str, frozenset[str]] | None = None,
) -> list[Problem]:
    """The problems in a refusal of pydantic's.

    Args:
        error: what pydantic raised.
        file: in which the document stands.
        fields: names that exist, to suggest one for a name that does not.
        examples: by field, dotted and without list positions, or by its last part.
        tags: by field, the alternatives of a tagged union, which pydantic puts into its paths and a person never wrote.
    """
    return list(_from_validation(error, file, sorted(set(fields)), examples, tags or {}))


def _from_validation(
    error: ValidationError,
    file: str,
    fields: list[str],
    examples: Mapping[str, str],
    tags: Mapping[str, frozenset[str]],
) -> Iterator[Problem]:
    for details in error.errors(include_url=False):
        place = _place(details["loc"], tags)
        names = [part for part in place if isinstance(part, str)]
        example = examples.get(".".join(names), examples.get(names[-1], "") if names else "")
        kind = details["type"]
        if kind == "too_short" and len(details["input"]) >= details["ctx"]["min_length"]:
            continue  # pydantic does not count entries that it refused already
        if kind == "extra_forbidden":
            near = nearest(names[-1] if names else "", fields)
            expected = (
                Text(en=f"a field that exists, perhaps {near}", zh=f"已定义的字段，可能是 {near}")
                if near
                else Text(en="no such field", zh="不应有此字段")
            )
            yield Problem(file, format_path(place), "unknown_field", expected, found(details["input"]))
            continue
        was = NOTHING if kind in {"missing", "union_tag_not_found"} else found(details["input"])
        rule, expected = _expected(details)
        if kind.startswith("union_tag"):
            place = (*place, "type")
        yield Problem(
            file, format_path(place), rule, expected, was, example or str(details.get("ctx", {}).get("example", ""))
        )


def _place(loc: tuple[int | str, ...], tags: Mapping[str, frozenset[str]]) -> tuple[int | str, ...]:
    return tuple(
        part for position, part in enumerate(loc) if not (position and part in tags.get(str(loc[position - 1]), ()))
    )


_SIMPLE: dict[str, tuple[str, str, str]] = {
    "missing": ("missing", "this field", "填写此字段"),
    "string_type": ("wrong_type", "text", "文本"),
    "int_type": ("wrong_type", "a whole number", "整数"),
    "int_parsing": ("wrong_type", "a whole number", "整数"),
    "int_from_float": ("wrong_type", "a whole number", "整数"),
    "float_type": ("wrong_type", "a number", "数字"),
    "float_parsing": ("wrong_type", "a number", "数字"),
    "bool_type": ("wrong_type", "true or false", "true 或 false"),
    "bool_parsing": ("wrong_type", "true or false", "true 或 false"),
    "list_type": ("wrong_type", "a list", "列表"),
    "tuple_type": ("wrong_type", "a list", "列表"),
    "dict_type": ("wrong_type", "a table of names and values", "由名称和值组成的表"),
    "model_type": ("wrong_type", "a table of names and values", "由名称和值组成的表"),
    "model_attributes_type": ("wrong_type", "a table of names and values", "由名称和值组成的表"),
    "finite_number": ("bad_value", "a finite number", "有限的数字"),
}
_WITH_CONTEXT: dict[str, tuple[str, str, str]] = {
    "string_too_short": ("too_short", "at least {min_length} characters", "至少 {min_length} 个字符"),
    "string_too_long": ("too_long", "at most {max_length} characters", "至多 {max_length} 个字符"),
    "too_short": ("too_short", "at least {min_length} entries", "至少 {min_length} 项"),
    "too_long": ("too_long", "at most {max_length} entries", "至多 {max_length} 项"),
    "greater_than": ("out_of_range", "more than {gt}", "大于 {gt}"),
    "greater_than_equal": ("out_of_range", "at least {ge}", "不小于 {ge}"),
    "less_than": ("out_of_range", "less than {lt}", "小于 {lt}"),
    "less_than_equal": ("out_of_range", "at most {le}", "不大于 {le}"),
    "string_pattern_mismatch": ("bad_value", "text that matches {pattern}", "符合 {pattern} 的文本"),
    "literal_error": ("bad_value", "{expected}", "{expected}"),
    "enum": ("bad_value", "{expected}", "{expected}"),
    "union_tag_invalid": ("bad_value", "one of {expected_tags}", "以下之一：{expected_tags}"),
    "union_tag_not_found": ("missing", "{discriminator}", "{discriminator}"),
}


def _expected(details: ErrorDetails) -> tuple[str, Text]:
    kind, context = details["type"], details.get("ctx", {})
    if kind in _SIMPLE:
        rule, en, zh = _SIMPLE[kind]
        return rule, Text(en=en, zh=zh)
    if kind in _WITH_CONTEXT:
        rule, en, zh = _WITH_CONTEXT[kind]
        text = Text(en=en.format_map(context), zh=zh.format_map(context))
        near = nearest(details["input"], [part.strip("' ") for part in text.en.replace(" or ", ",").split(",")])
        if kind == "literal_error" and near:
            text = Text(en=f"{text.en} (perhaps {near})", zh=f"{text.zh.replace(' or ', ' 或 ')}（可能是 {near}）")
        return rule, text
    if "zh" in context:
        wanted = context.get("expected")
        en, zh = str(context["en"]), str(context["zh"])
        if wanted is not None:
            return kind, Text(en=str(wanted), zh=zh.rpartition("应为 ")[2] or zh)
        return kind, Text(en=en, zh=zh)
    return "bad_value", Text(en=details["msg"], zh=details["msg"])
