"""From typed Python to actions: declaration, collection, JSON in and out."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from types import ModuleType
from typing import Annotated, Any, Literal, NotRequired, Optional, TypedDict

import pytest

from capmart_component import (
    ActionError,
    DeclarationError,
    Field,
    InputError,
    ResultError,
    action,
    collect,
    component,
    files_dir,
)
from capmart_component.testing import call


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Part:
    name: Annotated[str, Field(zh="名称", en="Name", min_length=1, max_length=8, pattern="^[a-z]+$")]
    mass: Annotated[float, Field(zh="质量", en="Mass", unit="kg", gt=0)] = 1.0
    parts: list[Part] = field(default_factory=list)


class Row(TypedDict):
    count: Annotated[int, Field(zh="数量", en="Count", ge=0)]
    note: NotRequired[str]


@dataclass
class Window:
    start: date
    end: date

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise ValueError("end is before start")


@dataclass
class Stock:
    total: Decimal
    seen: datetime
    colour: Colour
    rows: list[Row]
    extra: dict[str, float | None]


def module_with(*things: Any) -> ModuleType:
    """A module as an author's would be, with these in it."""
    module = ModuleType("author")
    for number, thing in enumerate(things):
        setattr(module, getattr(thing, "__name__", f"thing{number}"), thing)
    return module


@action(title_zh="汇总", title_en="Summarise")
def summarise(
    rows: Annotated[Sequence[Row], Field(zh="行", en="Rows", min_length=1)],
    seen: datetime,
    colour: Colour = Colour.BLUE,
    price: Decimal = Decimal("0.10"),
    mode: Literal["all", "some"] = "all",
    share: Annotated[Optional[float], Field(zh="占比", en="Share", ge=0, le=1)] = None,  # noqa: UP045 -- authors write both
) -> Stock:
    assert mode in {"all", "some"}
    return Stock(price * sum(row["count"] for row in rows), seen, colour, list(rows), {"share": share})


GIVEN = {"rows": [{"count": 2}, {"count": 3, "note": "x"}], "seen": "2026-01-31T16:30:00+08:00"}


def test_given_every_kind_of_type_when_called_then_json_goes_in_and_comes_out() -> None:
    result = call(module_with(summarise), "summarise", {**GIVEN, "colour": "red", "price": "1.50", "share": 1})

    assert result == {
        "total": "7.50",
        "seen": "2026-01-31T16:30:00+08:00",
        "colour": "red",
        "rows": GIVEN["rows"],
        "extra": {"share": 1.0},
    }


@pytest.mark.parametrize(
    ("changes", "path", "says"),
    [
        ({"rows": []}, "rows", "at least 1"),
        ({"rows": [{"count": -1}]}, "rows[0].count", "≥ 0"),
        ({"rows": [{"count": 1}, {"count": 1.5}]}, "rows[1].count", "expected an integer"),
        ({"rows": [{"count": True}]}, "rows[0].count", "expected an integer, got a boolean"),
        ({"rows": [{"note": "x"}]}, "rows[0].count", "required"),
        ({"rows": "x"}, "rows", "expected a list, got text"),
        ({"seen": "2026-01-31T16:30:00"}, "seen", "time zone"),
        ({"seen": "yesterday"}, "seen", "'yesterday'"),
        ({"colour": "green"}, "colour", "'red', 'blue'"),
        ({"price": 1.5}, "price", "a decimal as text"),
        ({"price": "NaN"}, "price", "a decimal"),
        ({"mode": "none"}, "mode", "'all'"),
        ({"share": 1.2}, "share", "≤ 1"),
        ({"share": "much"}, "share", "expected a number"),
        ({"colr": "red"}, "colr", "unknown property; it has rows, seen, colour"),
    ],
)
def test_given_a_wrong_value_when_called_then_place_and_expectation_are_said(
    changes: dict[str, Any], path: str, says: str
) -> None:
    with pytest.raises(InputError) as refusal:
        call(module_with(summarise), "summarise", {**GIVEN, **changes})

    assert refusal.value.path == path
    assert says in refusal.value.en
    assert refusal.value.zh.startswith(path)


@pytest.mark.parametrize("value", [None, [], "x", 3])
def test_given_no_object_when_called_then_refused(value: Any) -> None:
    with pytest.raises(InputError, match="expected an object"):
        call(module_with(summarise), "summarise", value)


def test_given_a_missing_property_when_called_then_named() -> None:
    with pytest.raises(InputError, match=r"^seen: is required"):
        call(module_with(summarise), "summarise", {"rows": [{"count": 1}]})


@action(title_zh="计数", title_en="Count parts")
def count(part: Part) -> int:
    return 1 + sum(count(inner) for inner in part.parts)


@action(title_zh="作为字段", title_en="As a property")
def wrapped(part: Annotated[Part, Field(zh="部件", en="Part")]) -> str:
    return part.name


def test_given_one_bare_dataclass_parameter_when_called_then_the_input_is_that_object() -> None:
    assert call(module_with(count), "count", {"name": "pump", "parts": [{"name": "rotor"}, {"name": "seal"}]}) == 3


def test_given_an_annotated_dataclass_parameter_when_called_then_it_is_a_property() -> None:
    assert call(module_with(wrapped), "wrapped", {"part": {"name": "pump"}}) == "pump"


def test_given_a_recursive_type_when_the_wrong_is_deep_then_the_whole_path_is_said() -> None:
    with pytest.raises(InputError) as refusal:
        call(module_with(count), "count", {"name": "a", "parts": [{"name": "b", "parts": [{"name": "C"}]}]})

    assert refusal.value.path == "parts[0].parts[0].name"


def test_given_input_nested_beyond_the_stack_when_called_then_refused() -> None:
    deep: dict[str, Any] = {"name": "a"}
    for _ in range(100_000):
        deep = {"name": "a", "parts": [deep]}

    with pytest.raises(InputError, match="nested too deeply"):
        collect(module_with(count))["count"].call(deep)
    while deep.get("parts"):  # taken apart by hand: the interpreter's own recursion would not
        deep = deep["parts"].pop()


@action(title_zh="窗口", title_en="Window")
def days(window: Annotated[Window, Field(zh="窗口", en="Window")]) -> int:
    return (window.end - window.start).days


def test_given_a_post_init_that_refuses_when_called_then_it_is_the_callers_input_error() -> None:
    with pytest.raises(InputError, match=r"^window: end is before start"):
        call(module_with(days), "days", {"window": {"start": "2026-02-01", "end": "2026-01-01"}})


@component
class Counter:
    """State is built once."""

    built = 0

    def __init__(self) -> None:
        Counter.built += 1
        self.factor = 2

    @action(title_zh="乘", title_en="Times", name="times", idempotent=False)
    def multiply(self, value: int) -> int:
        return self.factor * value

    @action(title_zh="静态", title_en="Static")
    @staticmethod
    def plain() -> None:
        return None

    def helper(self) -> int:
        return self.factor


class Shared:
    def __init__(self, factor: int) -> None:
        self.factor = factor

    @action(title_zh="乘", title_en="Times")
    def times(self, value: int) -> int:
        return self.factor * value


def test_given_a_component_class_when_collected_then_instantiated_once() -> None:
    before = Counter.built
    actions = collect(module_with(Counter))

    assert Counter.built == before + 1
    assert [actions["times"].call({"value": n}) for n in (1, 2)] == [2, 4]
    assert actions["plain"].call({}) is None
    assert actions.keys() == {"times", "plain"}


def test_given_an_instance_in_the_module_when_collected_then_its_methods_are_bound_to_it() -> None:
    shared = Shared(5)
    assert call(module_with(Shared, shared), "times", {"value": 2}) == 10
    assert call(shared, "times", {"value": 2}) == 10


def test_given_a_function_under_two_names_when_collected_then_it_is_one_action() -> None:
    module = module_with(summarise)
    module.alias = summarise  # type: ignore[attr-defined]
    assert collect(module).keys() == {"summarise"}


def test_given_a_function_when_marked_then_it_is_still_that_function() -> None:
    assert count(Part("pump", parts=[Part("seal")])) == 2


def build(annotations: dict[str, Any], **options: Any) -> Any:
    def function(value: Any = None) -> Any:
        return value

    function.__annotations__ = annotations
    return action(title_zh="甲", title_en="A", **options)(function)


@dataclass
class Derived:
    half: float = field(init=False, default=1.0)


class Complexes(Enum):
    I = 1j  # noqa: E741


@pytest.mark.parametrize(
    ("annotations", "says"),
    [
        ({"value": complex, "return": int}, "action function parameter value: type complex"),
        ({"value": list[set[int]], "return": int}, "parameter value[]: type set"),
        ({"value": dict[int, str], "return": int}, "type dict[int, str]"),
        ({"value": bytes, "return": int}, "type bytes"),
        ({"value": int, "return": object}, "result: type object"),
        ({"value": int}, "the result needs a type"),
        ({"return": int}, "parameter value needs a type"),
        ({"value": "Missing", "return": int}, "TYPE_CHECKING"),
        ({"value": Derived, "return": int}, "init=False"),
        ({"value": Complexes, "return": int}, "must be text or numbers"),
        ({"value": Annotated[int, Field(zh="数", en="N", example="x")], "return": int}, "the example 'x'"),
        ({"value": Annotated[int, Field(zh="数", en="N", example=3, le=2)], "return": int}, "≤ 2"),
    ],
)
def test_given_a_type_without_json_form_when_collected_then_place_and_alternatives(
    annotations: dict[str, Any], says: str
) -> None:
    with pytest.raises(DeclarationError) as refusal:
        collect(module_with(build(annotations)))

    assert says in refusal.value.en
    assert refusal.value.zh != refusal.value.en
    assert refusal.value.zh in str(refusal.value)


def test_given_parameters_without_own_names_when_collected_then_refused() -> None:
    @action(title_zh="甲", title_en="A")
    def many(*values: int) -> int:
        return len(values)

    @action(title_zh="甲", title_en="A")
    def loose(**values: int) -> int:
        return len(values)

    @action(title_zh="甲", title_en="A")
    def placed(value: int, /) -> int:
        return value

    for function, kind in ((many, "*args"), (loose, "**kwargs"), (placed, "positional-only")):
        with pytest.raises(DeclarationError) as refusal:
            collect(module_with(function))
        assert kind in refusal.value.en


def test_given_async_or_generator_when_collected_then_refused() -> None:
    @action(title_zh="甲", title_en="A")
    async def later() -> int:
        return 1

    @action(title_zh="甲", title_en="A")
    def lazily() -> Any:
        yield 1

    for function in (later, lazily):
        with pytest.raises(DeclarationError, match="ordinary function"):
            collect(module_with(function))


def test_given_no_action_a_double_name_or_a_forgotten_class_when_collected_then_refused() -> None:
    with pytest.raises(DeclarationError, match="author has no action"):
        collect(ModuleType("author"))
    with pytest.raises(DeclarationError, match="two actions are called summarise"):
        collect(module_with(summarise, build({"value": int, "return": int}, name="summarise")))
    forgotten = type("Forgotten", (Shared,), {"__module__": "author"})
    with pytest.raises(DeclarationError, match="neither marked @component nor instantiated"):
        collect(module_with(forgotten))


def returning(value: Any, hint: Any) -> Any:
    def function() -> Any:
        return value

    function.__annotations__ = {"return": hint}
    return action(title_zh="甲", title_en="A")(function)


LOOP: list[Any] = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    ("value", "hint", "says"),
    [
        (float("nan"), float, "nan is not a finite number"),
        ("x", int, "expected an integer, got text"),
        ({"a": float("inf")}, Any, "a: inf is not"),
        (object(), Any, "expected a JSON value"),
        ([1, "x"], list[int], r"\[1\]: expected an integer"),
        ({"count": 1, "other": 2}, Row, "other: is not declared"),
        ({"note": "x"}, Row, "count: is required"),
        (Part("LOUD"), Part, "name: must match"),
        ("text", list[str], "expected a list"),
        (datetime(2026, 1, 1), datetime, "time zone"),  # noqa: DTZ001 -- the point of the test
        ((1, 2, 3), tuple[int, int], "a list of 2 values"),
        (LOOP, Any, "nested too deeply, or it contains itself"),
    ],
)
def test_given_a_result_that_is_not_what_was_declared_when_called_then_result_error(
    value: Any, hint: Any, says: str
) -> None:
    with pytest.raises(ResultError, match=says):
        call(module_with(returning(value, hint)), "function", {})


@pytest.mark.parametrize(
    ("value", "hint", "json"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), datetime, "2026-01-01T00:00:00Z"),
        ((1, "x"), tuple[int, str], [1, "x"]),
        ({"a": (1, None)}, Any, {"a": [1, None]}),
        (1, float | int, 1),
        (1.5, int | float, 1.5),
        (Colour.RED, Colour | None, "red"),
        ({"a": Part("pump")}, Mapping[str, Part], {"a": {"name": "pump", "mass": 1.0, "parts": []}}),
    ],
)
def test_given_a_result_when_called_then_its_json(value: Any, hint: Any, json: Any) -> None:
    assert call(module_with(returning(value, hint)), "function", {}) == json


def test_given_numpy_numbers_when_returned_then_they_are_json_numbers() -> None:
    numpy = pytest.importorskip("numpy")
    assert call(module_with(returning([numpy.int64(3)], list[int])), "function", {}) == [3]
    assert call(module_with(returning(numpy.float32(0.5), float)), "function", {}) == 0.5


def test_given_an_action_error_when_called_then_it_passes_through_in_both_languages() -> None:
    @action(title_zh="拒", title_en="Refuse")
    def refuse() -> None:
        raise ActionError("不行", "no")

    with pytest.raises(ActionError) as refusal:
        call(module_with(refuse), "refuse", {})
    assert (refusal.value.zh, refusal.value.en) == ("不行", "no")


def test_given_an_unknown_action_when_called_in_a_test_then_the_known_ones_are_listed() -> None:
    with pytest.raises(KeyError, match="there are: summarise"):
        call(module_with(summarise), "sumarise", {})


def test_given_the_environment_when_files_are_asked_for_then_it_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CAPMART_FILES", raising=False)
    assert str(files_dir()) == "/capmart/files"
    monkeypatch.setenv("CAPMART_FILES", "/data/here")
    assert str(files_dir()) == "/data/here"


def test_given_the_guest_when_it_imports_the_package_then_nothing_heavy_comes_with_it() -> None:
    code = (
        "import sys, typing, dataclasses; before = set(sys.modules); import capmart_component;"
        "print(*sorted(n for n in set(sys.modules) - before if not n.startswith('capmart_component')))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, env=environment
    )

    assert set(done.stdout.split()) <= {"__future__", "math", "_struct", "operator"}
