from __future__ import annotations

from typing import Any

from capmart_registry.submissions.difference import FieldChange, compare
from tests.support.packages import manifest_json


def test_given_the_same_manifest_with_another_version_then_nothing_differs() -> None:
    assert compare(manifest_json(), manifest_json(version="2.0.0")) == ()


def test_given_actions_added_removed_and_changed_then_each_is_named() -> None:
    before, after = manifest_json(), manifest_json()
    added: dict[str, Any] = {**after["actions"][0], "name": "subtract"}
    after["actions"] = [added, {**after["actions"][0], "output": {"type": "number"}}]
    found = {(change.field, change.kind) for change in compare(before, after)}
    assert found == {("actions.subtract", "added"), ("actions.add.output.type", "changed")}
    assert {(one.field, one.kind) for one in compare(after, before)} == {
        ("actions.subtract", "removed"),
        ("actions.add.output.type", "changed"),
    }


def test_given_a_property_that_becomes_required_then_that_is_what_is_said() -> None:
    before = manifest_json()
    before["actions"][0]["input"]["required"] = ["a"]
    assert compare(before, manifest_json()) == (FieldChange("actions.add.input.b.required", "added", "", "true"),)


def test_given_permissions_widened_then_old_and_new_stand_side_by_side() -> None:
    after = manifest_json(permissions={"network": ["example.com:443"]})
    before = manifest_json(permissions={"network": []})
    assert compare(before, after) == (FieldChange("permissions.network", "changed", "[]", '["example.com:443"]'),)


def test_given_a_long_value_then_it_is_shortened() -> None:
    (change,) = compare(manifest_json(licence="MIT"), manifest_json(licence="x" * 5000))
    assert len(change.after) == 400
