"""The command line of a publisher and an enterprise, against a real center, each command a process of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.center import capmart
from tests.support.shop import Shop, open_shop


class Desk:
    """One person at a terminal: a home, a node, the command line.

    Args:
        folder: of everything that is theirs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {
            "CAPMART_HOME": str(folder / "home"),
            "CAPMART_RUNNER": "process",
            "CAPMART_SANDBOX_PROCESS_NAMESPACES": "acme",
            "CAPMART_SANDBOX_CACHE": str(folder.parent / "cache"),
            "CAPMART_LANG": "en",
        }

    def run(self, *arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
        """``capmart …``; it must end with 0 unless ``expect`` says otherwise."""
        return capmart(*arguments, env=self.env, **options)

    def json(self, *arguments: str | Path, **options: Any) -> Any:
        """``capmart … --json``; what it printed to stdout."""
        return json.loads(self.run(*arguments, "--json", **options).stdout)

    def refusal(self, *arguments: str | Path, expect: int, **options: Any) -> dict[str, Any]:
        """``capmart … --json`` that ends with an error; what it said."""
        said = self.run(*arguments, "--json", expect=expect, **options).stderr.splitlines()[-1]
        found: dict[str, Any] = json.loads(said)["error"]
        return found


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with open_shop(tmp_path_factory.mktemp("shop")) as opened:
        yield opened


@pytest.fixture(scope="module")
def publisher(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Signed in, with a key of its own that ``acme`` has."""
    desk = Desk(tmp_path_factory.mktemp("people") / "publisher")
    desk.run("login", shop.url, given=f"{shop.token}\n")
    desk.run("key", "new", "publisher")
    desk.run("key", "add", "acme", "--center", shop.url)
    return desk


@pytest.fixture
def enterprise(shop: Shop, tmp_path: Path) -> Desk:
    """Trusts the center by its fingerprint."""
    desk = Desk(tmp_path / "enterprise")
    desk.run("trust", "add", shop.url, "--fingerprint", shop.running.fingerprint)
    return desk


def publish(shop: Shop, publisher: Desk, name: str, **changes: Any) -> Any:
    packed = shop.package(name, **changes)
    return publisher.json("publish", packed.path, "--center", shop.url, "--wait")


def test_from_a_package_to_a_result(shop: Shop, publisher: Desk, enterprise: Desk) -> None:
    submission = publish(shop, publisher, "way")
    assert submission["state"] == "listed"
    (installed,) = enterprise.json("install", "acme/way@^1", "--yes")
    assert (installed["id"], installed["home"]) == ("acme/way", shop.running.origin)
    assert json.loads(enterprise.run("call", "acme/way", "add", "a=2", "b=40").stdout) == 42
    given = json.dumps({"a": 1, "b": 2})
    assert json.loads(enterprise.run("call", "acme/way", "add", "--input", "-", given=given).stdout) == 3
    (row,) = enterprise.json("verify")
    assert row["ok"]
    assert "acme/way" in enterprise.run("list").stdout
    assert "相加" in enterprise.run("show", "acme/way", "--installed", "--lang", "zh").stdout


def test_publishing_again_is_harmless(shop: Shop, publisher: Desk) -> None:
    packed = shop.package("twice")
    first = publisher.json("publish", packed.path, "--center", shop.url, "--wait")
    again = publisher.json("publish", packed.path, "--center", shop.url, "--wait")
    assert (first["state"], again["state"]) == ("listed", "listed")
    assert again["digest"] == first["digest"]


def test_another_package_with_the_same_version_is_refused(shop: Shop, publisher: Desk) -> None:
    publish(shop, publisher, "taken")
    other = shop.package("taken", licence="MIT")
    assert publisher.refusal("publish", other.path, "--center", shop.url, expect=5)["code"] == "version_exists"


def test_an_example_that_does_not_hold_is_told_with_where_and_what_next(shop: Shop, publisher: Desk) -> None:
    wrong = [{"name": "wrong", "action": "add", "input": {"a": 1, "b": 2}, "output": 4}]
    packed = shop.package("wrong", examples=wrong)
    done = publisher.run("publish", packed.path, "--center", shop.url, "--wait", "--json", expect=3)
    submission = json.loads(done.stdout)
    assert submission["state"] == "failed"
    errors = [row for row in submission["findings"] if row["severity"] == "error"]
    assert errors
    assert all(row["message"]["zh"] and row["message"]["en"] for row in errors)


def test_a_key_that_the_namespace_does_not_have(shop: Shop, publisher: Desk, tmp_path: Path) -> None:
    stranger = Desk(tmp_path / "stranger")
    stranger.run("login", shop.url, given=f"{shop.token}\n")
    stranger.run("key", "new", "mine")
    packed = shop.package("foreign")
    assert stranger.refusal("publish", packed.path, "--center", shop.url, expect=3)["code"] == "key_not_granted"


def test_install_asks_and_takes_silence_for_no(shop: Shop, publisher: Desk, enterprise: Desk) -> None:
    publish(shop, publisher, "asking", permissions={"network": ["plc.example:502"]})
    done = enterprise.run("install", "acme/asking", expect=1)
    assert "plc.example:502" in done.stderr
    assert enterprise.json("list") == []


def test_a_center_nobody_trusts_is_named_with_its_fingerprint(shop: Shop, tmp_path: Path) -> None:
    stranger = Desk(tmp_path / "stranger")
    refusal = stranger.refusal("install", "acme/anything", "--center", shop.url, "--yes", expect=3)
    assert refusal["code"] == "origin_not_trusted"
    assert shop.running.fingerprint in refusal["advice"]


def test_trust_with_another_fingerprint_is_refused(shop: Shop, tmp_path: Path) -> None:
    stranger = Desk(tmp_path / "stranger")
    refusal = stranger.refusal("trust", "add", shop.url, "--fingerprint", "SHA256:wrong", expect=3)
    assert refusal["code"] == "fingerprint_mismatch"
    assert stranger.json("trust", "list") == []


def test_yank_and_unyank(shop: Shop, publisher: Desk, enterprise: Desk) -> None:
    publish(shop, publisher, "back")
    reasons = ("--reason-zh", "结果有误", "--reason-en", "wrong result")
    publisher.run("yank", "acme/back@1.0.0", *reasons, "--center", shop.url)
    refusal = enterprise.refusal("install", "acme/back", "--yes", expect=3)
    assert refusal["code"] == "release_not_installable"
    assert "wrong result" in refusal["message"]
    publisher.run("unyank", "acme/back@1.0.0", "--center", shop.url)
    enterprise.run("install", "acme/back", "--yes")


def test_files_are_listed_and_copied(shop: Shop, publisher: Desk, enterprise: Desk, tmp_path: Path) -> None:
    content = "工况,温度\n1,35\n".encode()
    submission = publish(
        shop,
        publisher,
        "tables",
        kind="knowledge",
        delivery={"type": "files"},
        actions=None,
        examples=None,
        files={"tables/a.csv": content},
        taxonomy={"subkind": "industry-knowledge"},
    )
    assert submission["state"] == "listed", submission["findings"]
    enterprise.run("install", "acme/tables", "--yes")
    assert "tables/a.csv" in enterprise.run("files", "acme/tables").stdout
    enterprise.run("files", "acme/tables", "--to", tmp_path / "copied")
    assert (tmp_path / "copied" / "tables" / "a.csv").read_bytes() == content


def test_input_that_does_not_fit(shop: Shop, publisher: Desk, enterprise: Desk) -> None:
    publish(shop, publisher, "narrow")
    enterprise.run("install", "acme/narrow", "--yes")
    refusal = enterprise.refusal("call", "acme/narrow", "add", "a=1", "b=two", expect=2)
    assert refusal["code"] == "input_rejected"
    said = enterprise.run("--lang", "zh", "call", "acme/narrow", "add", "a=1", "b=two", expect=2).stderr
    assert "建议" in said
