from __future__ import annotations

from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from capmart_core.errors import InvalidIdentifier, InvalidJson, InvalidRange, NotInstalled, SettingsInvalid
from capmart_core.identifiers import ComponentId
from capmart_sdk.node import Lock, LockedComponent, Wanted

DIGEST = "sha256:" + "a" * 64


def locked(component: str, version: str = "1.0.0") -> LockedComponent:
    return LockedComponent(
        id=component,
        version=version,
        digest=DIGEST,
        config=DIGEST,
        home="center.example",
        log_index=3,
        keyid="b" * 64,
        requested="^1",
    )


@given(st.permutations(["acme/a", "acme/b", "beta/a"]))
def test_one_spelling_whatever_the_order(order: list[str]) -> None:
    lock = Lock()
    for name in order:
        lock = lock.with_changes([locked(name)])
    assert lock == Lock().with_changes(locked(name) for name in sorted(order))


def test_a_lock_is_read_as_it_was_written(tmp_path: Path) -> None:
    lock = Lock().with_changes([locked("acme/a"), locked("acme/b", "2.0.0-rc.1")])
    lock.save(tmp_path / "capmart.lock")
    assert Lock.load(tmp_path / "capmart.lock") == lock


def test_no_lock_is_an_empty_one(tmp_path: Path) -> None:
    lock = Lock.load(tmp_path / "capmart.lock")
    assert lock.components == ()
    with pytest.raises(NotInstalled):
        lock.require(ComponentId("acme", "a"))


@pytest.mark.parametrize("text", ["{", "[]", '{"v": 2}', '{"components": [{"id": "acme/a"}]}', '{"v": 1, "more": 1}'])
def test_what_is_no_lock_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "capmart.lock").write_text(text, "utf-8")
    with pytest.raises((SettingsInvalid, InvalidJson)):
        Lock.load(tmp_path / "capmart.lock")


def test_what_is_asked_for() -> None:
    wanted = Wanted.parse("acme/oee@^1.2")
    assert (str(wanted.component), wanted.range.text) == ("acme/oee", "^1.2")
    assert Wanted.parse("acme/oee").range.text == "*"
    with pytest.raises(InvalidIdentifier):
        Wanted.parse("oee")
    with pytest.raises(InvalidRange):
        Wanted.parse("acme/oee@")
