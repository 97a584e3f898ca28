"""The manifest's view of a component: JSON Schema that agrees with the codecs."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator, meta

from capmart_component import Field, InputError, action, collect, describe
from capmart_core.manifest.models import Action


class Line(TypedDict):
    """One line."""

    item: Annotated[str, Field(zh="品目", en="Item", example="bolt", min_length=1)]
    count: NotRequired[Annotated[int, Field(zh="数量", en="Count", unit="pcs", ge=0, lt=100)]]


@dataclass(frozen=True)
class Node:
    """A node of a tree."""

    name: Annotated[str, Field(zh="名称", en="Name", pattern="^[a-z]+$")]
    children: Annotated[list[Node], Field(zh="子节点", en="Children", max_length=3)] = field(default_factory=list)


@dataclass(frozen=True)
class Order:
    due: Annotated[date, Field(zh="交期", en="Due", example=date(2026, 1, 31))]
    price: Annotated[Decimal, Field(zh="价格", en="Price", unit="CNY", example=Decimal("12.50"))]
    lines: list[Line]
    priority: Literal["low", "high"] = "low"


@action(title_zh="下单", title_en="Place", summary_zh="下一张订单", summary_en="Places one order", idempotent=False)
def place(
    order: Annotated[Order, Field(zh="订单", en="Order")],
    tree: Annotated[Node | None, Field(zh="树", en="Tree")] = None,
    factor: Annotated[float, Field(zh="系数", en="Factor", gt=0, le=10, zh_help="放大", en_help="Scales")] = 1.0,
    flags: dict[str, bool] | None = None,
) -> Order:
    assert factor or tree or flags
    return order


@action(title_zh="翻转", title_en="Invert")
def invert(order: Order) -> Order:
    return order


@action(title_zh="树", title_en="Tree")
def grow(tree: Annotated[Node, Field(zh="树", en="Tree")]) -> Node:
    return tree


MODULE = ModuleType("author")
MODULE.place, MODULE.invert, MODULE.grow = place, invert, grow  # type: ignore[attr-defined]
DESCRIBED = {found["name"]: found for found in describe(MODULE)}
BOUND = collect(MODULE)


def test_given_a_module_when_described_then_each_action_is_one_of_the_manifest() -> None:
    for found in DESCRIBED.values():
        Action.model_validate(found)
        meta.validate(found["input"])
        meta.validate(found["output"])
        json.dumps(found, allow_nan=False)


def test_given_titles_when_described_then_both_languages_are_there() -> None:
    assert DESCRIBED["place"]["title"] == {"zh": "下单", "en": "Place"}
    assert DESCRIBED["place"]["summary"] == {"zh": "下一张订单", "en": "Places one order"}
    assert DESCRIBED["place"]["idempotent"] is False
    assert "summary" not in DESCRIBED["invert"]


def test_given_fields_when_described_then_title_unit_example_help_and_bounds() -> None:
    schema = DESCRIBED["place"]["input"]

    assert schema["required"] == ["order"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["factor"] == {
        "type": "number",
        "title": "Factor",
        "x-title-zh": "系数",
        "description": "Scales",
        "x-description-zh": "放大",
        "exclusiveMinimum": 0,
        "maximum": 10,
        "default": 1.0,
    }
    order = schema["$defs"]["Order"]["properties"]
    assert order["due"]["examples"] == ["2026-01-31"]
    assert order["price"] | {"pattern": ""} == {
        "type": "string",
        "title": "Price",
        "x-title-zh": "价格",
        "x-unit": "CNY",
        "examples": ["12.50"],
        "pattern": "",
    }
    line = schema["$defs"]["Line"]
    assert (line["required"], line["additionalProperties"]) == (["item"], False)
    assert line["properties"]["item"]["minLength"] == 1
    assert line["properties"]["count"]["exclusiveMaximum"] == 100
    assert schema["$defs"]["Node"]["properties"]["children"]["maxItems"] == 3


def test_given_a_sole_dataclass_when_described_then_its_fields_are_the_inputs() -> None:
    assert DESCRIBED["invert"]["input"]["properties"].keys() == {"due", "price", "lines", "priority"}
    assert DESCRIBED["invert"]["input"]["required"] == ["due", "price", "lines"]


def test_given_a_result_with_defaults_when_described_then_all_its_fields_are_promised() -> None:
    assert DESCRIBED["place"]["output"]["required"] == ["due", "price", "lines", "priority"]


LINES = st.fixed_dictionaries(
    {"item": st.text(max_size=3)}, optional={"count": st.integers(-5, 200) | st.floats(-5, 200) | st.text(max_size=2)}
)
NAMES = st.text("abC", max_size=2)
TREES = st.recursive(
    st.fixed_dictionaries({"name": NAMES}),
    lambda inner: st.fixed_dictionaries({"name": NAMES, "children": st.lists(inner, max_size=5)}),
    max_leaves=12,
)
ORDERS = st.fixed_dictionaries(
    {
        "due": st.dates().map(str) | st.integers(),
        "price": st.decimals(allow_nan=False, allow_infinity=False, places=2).map(str) | st.none(),
        "lines": st.lists(LINES, max_size=3),
    },
    optional={"priority": st.sampled_from(["low", "high", "none", 1]), "other": st.none()},
)
INPUTS = st.fixed_dictionaries(
    {"order": ORDERS},
    optional={
        "tree": st.none() | TREES,
        "factor": st.floats(-1, 11) | st.integers(-1, 11) | st.booleans(),
        "flags": st.none() | st.dictionaries(st.text(max_size=2), st.booleans() | st.integers(0, 1), max_size=2),
    },
)


@given(INPUTS)
def test_given_any_input_when_the_schema_judges_it_then_the_codec_agrees(value: dict[str, Any]) -> None:
    by_schema = Draft202012Validator(DESCRIBED["place"]["input"]).is_valid(value)
    try:
        BOUND["place"].call(value)
        by_codec = True
    except InputError:
        by_codec = False
    assert by_schema == by_codec


@given(TREES)
def test_given_any_tree_when_it_is_accepted_then_the_result_is_what_the_output_schema_says(tree: Any) -> None:
    try:
        result = BOUND["grow"].call({"tree": tree})
    except InputError:
        return
    Draft202012Validator(DESCRIBED["grow"]["output"]).validate(result)
    assert BOUND["grow"].call({"tree": result}) == result


def test_given_a_module_on_the_command_line_when_described_then_the_same_json(tmp_path: Path) -> None:
    (tmp_path / "author.py").write_text(
        "from capmart_component import action\n"
        "@action(title_zh='一', title_en='One')\n"
        "def one(n: int = 1) -> int:\n    return n\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "capmart_component", "author"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["input"]["properties"]["n"] == {"type": "integer", "title": "N", "default": 1}


def test_given_no_module_on_the_command_line_when_run_then_usage(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "capmart_component"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "usage" in done.stderr


def test_given_a_declaration_that_cannot_be_when_described_then_the_same_error_as_in_the_guest() -> None:
    with pytest.raises(TypeError, match="has no action"):
        describe(ModuleType("empty"))
