"""Manifests: every problem in one go, in both languages, with its place and what would do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capmart_core.errors import InvalidManifest
from capmart_core.manifest import Problem, problems_of, read_manifest
from tests.support.packages import manifest_json

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)


def rules(problems: list[Problem]) -> dict[str, str]:
    return {problem.field: problem.rule for problem in problems}


def test_given_a_valid_manifest_when_read_then_it_has_no_problem() -> None:
    value = manifest_json()

    assert problems_of(value) == []
    assert read_manifest(json.dumps(value).encode()).id == "acme/sum"


def test_given_many_mistakes_when_read_then_every_one_is_named_with_its_place() -> None:
    action = manifest_json()["actions"][0]
    value = manifest_json(
        id="Acme/Sum",
        version="1.0",
        kind="tol",
        titel={"zh": "x"},
        summary={"zh": "只有中文"},
        licence="Apache2",
        provider={"name": {"zh": "甲", "en": "A"}, "uscc": "91350200M000000510"},
        taxonomy={"subkind": "analysys", "industries": ["34", "99", "34"], "scenarios": ["produktion"]},
        actions=[action, action, {**action, "name": "Bad Name", "input": {"type": "objct"}, "path": "/x"}],
        examples=[
            {"name": "a", "action": "add", "input": {"a": "1", "b": 2}, "output": 3},
            {"name": "a", "action": "ad", "input": {}, "output": None, "tolerance": 3},
        ],
        dependencies=[{"id": "acme/oee", "range": "newest"}],
        limits={"memory_mib": 1},
    )

    problems = problems_of(value)

    assert rules(problems) == {
        "id": "invalid_identifier",
        "version": "invalid_version",
        "kind": "bad_value",
        "titel": "unknown_field",
        "summary.en": "missing",
        "licence": "licence",
        "provider.contact": "missing",
        "provider.uscc": "uscc",
        "taxonomy.subkind": "unknown_code",
        "taxonomy.industries[1]": "unknown_code",
        "taxonomy.industries[2]": "duplicate",
        "taxonomy.scenarios[0]": "unknown_code",
        "actions[1].name": "duplicate",
        "actions[2].name": "invalid_identifier",
        "actions[2].input.type": "schema",
        "actions[2].path": "http_path",
        "examples[0].input.a": "schema_mismatch",
        "examples[1].name": "duplicate",
        "examples[1].action": "unknown_action",
        "examples[1].tolerance": "out_of_range",
        "dependencies[0].range": "invalid_range",
        "limits.memory_mib": "out_of_range",
    }
    by_field = {problem.field: problem for problem in problems}
    assert by_field["taxonomy.subkind"].example == "analysis"
    assert by_field["taxonomy.scenarios[0]"].example == "production"
    assert by_field["licence"].example == "Apache-2.0"
    assert by_field["provider.uscc"].example == "91350200M00000051" + by_field["provider.uscc"].example[-1]
    assert "title" in by_field["titel"].message("en")
    assert by_field["examples[1].action"].example == "add"
    assert by_field["kind"].message("zh").startswith("应为")
    assert all(problem.message("zh") != problem.message("en") for problem in problems)


def test_given_problems_when_read_then_the_error_carries_them_all() -> None:
    with pytest.raises(InvalidManifest) as caught:
        read_manifest(manifest_json(id="?", licence="?"), file="component.json")

    assert caught.value.exit_code == 2
    assert [problem.field for problem in caught.value.data["problems"]] == ["id", "licence"]  # type: ignore[attr-defined]
    assert "component.json" in caught.value.message("zh")


@pytest.mark.parametrize(
    ("delivery", "changes", "expected"),
    [
        ({"type": "files"}, {"actions": None, "examples": None}, {"files": "no_files"}),
        ({"type": "files"}, {}, {"files": "no_files", "actions": "no_actions"}),
        ({"type": "pyton"}, {}, {"delivery.type": "bad_value"}),
        ({}, {}, {"delivery.type": "missing"}),
        ("python", {}, {"delivery": "wrong_type"}),
        (
            {"type": "python", "entry": "a:b", "runtimes": ["python3.11-any"]},
            {},
            {"delivery.entry": "entry"},
        ),
        (
            {"type": "python", "entry": "a", "runtimes": ["py311"], "http": {"port": 80}},
            {},
            {
                "delivery.entry": "entry",
                "delivery.runtimes[0]": "invalid_identifier",
                "delivery.http.port": "out_of_range",
                "actions[0].path": "http_path",
            },
        ),
        ({"type": "image", "image": "latest"}, {}, {"delivery.image": "invalid_identifier"}),
        ({"type": "image", "image": "sha256:" + "0" * 64}, {}, {"delivery": "image_http"}),
        (
            {"type": "python", "entry": "a", "runtimes": ["python3.11-any"]},
            {"actions": [], "examples": []},
            {"actions": "no_actions"},
        ),
    ],
)
def test_given_a_delivery_that_cannot_work_when_read_then_refused(
    delivery: Any, changes: dict[str, Any], expected: dict[str, str]
) -> None:
    assert rules(problems_of(manifest_json(delivery=delivery, **changes))) == expected


@pytest.mark.parametrize("code", ["91350100M000100Y43", "91110000600037341L"])
def test_given_published_codes_of_companies_when_read_then_accepted(code: str) -> None:
    provider = {"name": {"zh": "甲", "en": "A"}, "contact": "a@b", "uscc": code}

    assert problems_of(manifest_json(provider=provider)) == []


@pytest.mark.parametrize(
    ("licence", "accepted"),
    [
        ("Apache-2.0", True),
        ("MIT OR (GPL-2.0-or-later WITH Classpath-exception-2.0)", True),
        ("LicenseRef-Commercial", True),
        ("MIT AND LicenseRef-Acme-1", True),
        ("mit", False),
        ("MIT AND", False),
        ("MIT BSD-3-Clause", False),
        ("Apache 2.0", False),
        ("((MIT)", False),
        ("<script>", False),
    ],
)
def test_given_a_licence_when_read_then_only_spdx_is_accepted(licence: str, accepted: bool) -> None:  # noqa: FBT001
    assert (problems_of(manifest_json(licence=licence)) == []) is accepted


@pytest.mark.parametrize("character", ["\u202e", "\x00", "\x1b", "\u200b", "\ufeff"])
def test_given_an_invisible_character_when_read_then_refused_wherever_it_is(character: str) -> None:
    action = {**manifest_json()["actions"][0], "title": {"zh": f"相{character}加", "en": "Add"}}

    assert rules(problems_of(manifest_json(actions=[action]))) == {"actions[0].title.zh": "invisible"}


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"null", b'{"a": NaN}', b"[" * 100_000, b"\xff", b'{"id": 1, "id": 2}', b" " * (5 << 20)],
)
def test_given_bytes_that_are_no_manifest_when_read_then_one_problem_says_so(data: bytes) -> None:
    assert [problem.rule for problem in problems_of(data)] == ["json"]


def test_given_ten_thousand_actions_when_read_then_refused_by_their_number() -> None:
    action = manifest_json()["actions"][0]
    value = manifest_json(actions=[{**action, "name": f"a{number}"} for number in range(10_000)])

    assert "too_long" in rules(problems_of(value)).values()


@given(field=st.sampled_from(sorted(manifest_json())), value=JSON)
def test_given_any_value_in_any_field_when_read_then_a_manifest_or_problems(field: str, value: Any) -> None:
    changed = {**manifest_json(), field: value}

    problems = problems_of(changed)

    if not problems:
        read_manifest(changed)
    for problem in problems:
        assert problem.message("zh")
        assert problem.message("en")
        assert json.dumps(problem.as_json())


@given(value=JSON)
def test_given_any_json_when_read_then_never_another_error(value: Any) -> None:
    problems_of(json.dumps(value).encode())
