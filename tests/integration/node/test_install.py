"""A node and a real center: what installs, what runs, and every refusal with a code of its own."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from capmart_core.errors import (
    ActionNotFound,
    BadResult,
    CapmartError,
    CenterUnavailable,
    ComponentNotFound,
    DigestMismatch,
    FingerprintMismatch,
    InputRejected,
    LogRollback,
    NotInLog,
    NotInstalled,
    OriginNotTrusted,
    ReleaseNotInstallable,
    RuntimeMismatch,
    Unresolvable,
)
from capmart_core.identifiers import ComponentId
from capmart_core.manifest.models import Manifest
from capmart_core.package import write_package
from capmart_core.signing import Ed25519Signer, sign_statement
from capmart_core.text import Text
from capmart_sdk.client import CenterClient
from capmart_sdk.config import Home
from capmart_sdk.node import Node
from capmart_sdk.publish import publish, state_statement, wait_for_review
from capmart_sdk.trust import TrustedOrigin, TrustStore
from tests.integration.node.conftest import Change
from tests.support.packages import ACTION_CODE, make_wheel, manifest_json
from tests.support.shop import Shop

Meddled = Callable[[str, Change], CenterClient]


def flip_last_byte(_: httpx.Request, body: bytes) -> bytes:
    return body[:-1] + bytes([body[-1] ^ 1])


def nothing_changed(node: Node) -> bool:
    return not node.lock().components and not list((node.path / "installed").rglob("capmart.json"))


def test_a_listed_release_installs_runs_and_verifies(shop: Shop, center: CenterClient, node: Node) -> None:
    packed = shop.publish("plain")
    (installed,) = node.install(["acme/plain@^1"], center)
    assert (installed.digest, installed.home) == (packed.index_digest, shop.running.origin)
    assert node.call("acme/plain", "add", {"a": 2, "b": 40}).value == 42
    (found,) = node.verify(center)
    assert found.ok, [error.code for error in found.errors]


def test_the_lock_is_the_same_whoever_writes_it(shop: Shop, center: CenterClient, node: Node, tmp_path: Path) -> None:
    shop.publish("lock-b")
    shop.publish("lock-a")
    node.install(["acme/lock-b", "acme/lock-a"], center)
    with Node(tmp_path / "other", runner="process") as other:
        other.install(["acme/lock-a"], center)
        other.install(["acme/lock-b"], center)
        assert (other.path / "capmart.lock").read_bytes() == (node.path / "capmart.lock").read_bytes()


def test_dependencies_come_first_and_are_not_marked_as_asked_for(shop: Shop, center: CenterClient, node: Node) -> None:
    shop.publish("base")
    shop.publish("base", "2.0.0")
    shop.publish("upper", dependencies=[{"id": "acme/base", "range": "^1"}])
    done = node.install(["acme/upper"], center)
    assert [entry.name for entry in done] == ["acme/base@1.0.0", "acme/upper@1.0.0"]
    assert [bool(entry.requested) for entry in done] == [False, True]
    with pytest.raises(Unresolvable):
        node.install(["acme/base@^2", "acme/upper"], center)


def test_a_newer_version_replaces_the_older_on_request(shop: Shop, center: CenterClient, node: Node) -> None:
    shop.publish("growing")
    node.install(["acme/growing"], center)
    assert node.call("acme/growing", "add", {"a": 1, "b": 1}).value == 2
    code = ACTION_CODE.replace(b"a + b", b"a + b + 100")
    shop.publish("growing", "1.1.0", code=code, examples=None)
    node.install(["acme/growing@^1"], center)
    assert node.locked("acme/growing").version == "1.1.0"
    assert node.call("acme/growing", "add", {"a": 1, "b": 1}).value == 102


def test_altered_content_is_refused_and_leaves_nothing(
    shop: Shop, center: CenterClient, node: Node, meddled: Meddled
) -> None:
    packed = shop.publish("altered")
    with pytest.raises(DigestMismatch):
        node.install(["acme/altered"], meddled("/blobs/", flip_last_byte))
    with pytest.raises(DigestMismatch):
        node.install(["acme/altered"], meddled(packed.index_digest, flip_last_byte))
    assert nothing_changed(node)
    node.install(["acme/altered"], center)
    assert node.call("acme/altered", "add", {"a": 1, "b": 1}).value == 2


def test_what_only_the_catalog_has_is_not_in_the_log(shop: Shop, node: Node, meddled: Meddled) -> None:
    shop.publish("claimed")

    def invent(_: httpx.Request, body: bytes) -> bytes:
        page: dict[str, Any] = json.loads(body)
        page["releases"].append({**page["releases"][0], "version": "9.0.0"})
        return json.dumps(page).encode()

    client = meddled("/api/v1/components/acme/claimed", invent)
    with pytest.raises(NotInLog, match=r"acme/claimed@9\.0\.0"):
        node.install(["acme/claimed@^9"], client)
    assert nothing_changed(node)


def test_unknown_component(center: CenterClient, node: Node) -> None:
    with pytest.raises(ComponentNotFound):
        node.install(["acme/never-was"], center)


def test_an_untrusted_center_installs_nothing(
    shop: Shop, center: CenterClient, tmp_path: Path, isolated_home: Path
) -> None:
    shop.publish("untrusted")
    with Node(tmp_path / "node", home=Home(isolated_home / "stranger"), runner="process") as stranger:
        with pytest.raises(OriginNotTrusted) as caught:
            stranger.install(["acme/untrusted"], center)
        assert caught.value.data["fingerprint"] == shop.running.fingerprint
        assert nothing_changed(stranger)


def test_a_center_with_another_key_is_refused(
    shop: Shop, center: CenterClient, tmp_path: Path, isolated_home: Path
) -> None:
    home = Home(isolated_home / "misled")
    key = str(Ed25519Signer.generate().public)
    wrong = TrustedOrigin(origin=shop.running.origin, key=key, url=shop.url, added="2026-01-01T00:00:00Z")
    TrustStore(home.trust).add(wrong)
    with Node(tmp_path / "node", home=home, runner="process") as misled, pytest.raises(FingerprintMismatch):
        misled.install(["acme/anything"], center)


def test_a_log_that_forgets_is_a_rollback(shop: Shop, center: CenterClient, node: Node, meddled: Meddled) -> None:
    shop.publish("before")
    old = center.http.raw.get(f"{shop.url}/log/checkpoint").content
    shop.publish("after")
    node.install(["acme/after"], center)
    with pytest.raises(LogRollback) as caught:
        node.install(["acme/before"], meddled("/log/checkpoint", lambda _, __: old))
    assert Path(str(caught.value.data["evidence"])).is_dir()
    assert [entry.id for entry in node.lock().components] == ["acme/after"]


def test_a_yanked_release_is_not_installed_anew_but_stays_where_it_is_locked(
    shop: Shop, center: CenterClient, node: Node, tmp_path: Path
) -> None:
    shop.publish("withdrawn")
    node.install(["acme/withdrawn"], center)
    yank(shop, "withdrawn")
    with Node(tmp_path / "later", runner="process") as later:
        with pytest.raises(ReleaseNotInstallable) as caught:
            later.install(["acme/withdrawn"], center)
        assert caught.value.data["state"] == "yanked"
    node.install(["acme/withdrawn"], center)
    assert node.call("acme/withdrawn", "add", {"a": 1, "b": 2}).value == 3


def yank(shop: Shop, name: str) -> None:
    page = shop.publisher.release(ComponentId("acme", name), "1.0.0")
    assert page.manifest is not None
    statement = state_statement(
        "yank",
        Manifest.model_validate(page.manifest),
        digest=page.digest,
        config=str(page.config),
        home=str(page.home),
        reason=Text(zh="有误", en="wrong"),
    )
    shop.publisher.state_change(sign_statement(statement, shop.signer))


def test_a_recalled_release_runs_no_more_once_the_log_said_so(shop: Shop, center: CenterClient, node: Node) -> None:
    shop.publish("unsafe")
    node.install(["acme/unsafe"], center)
    reason = {"zh": "结果错误", "en": "wrong results"}
    shop.decide("recall", "unsafe", reason=reason, deadline="2030-01-01T00:00:00Z")
    (found,) = node.verify(center)
    assert [error.code for error in found.errors] == ["release_not_installable"]
    with pytest.raises(ReleaseNotInstallable, match="wrong results"):
        node.call("acme/unsafe", "add", {"a": 1, "b": 2})


def test_a_runtime_that_is_not_here_is_refused_before_content_is_fetched(
    shop: Shop, node: Node, meddled: Meddled
) -> None:
    runtime = "python3.99-any"
    delivery = {"type": "python", "entry": "acme_sum", "runtimes": [runtime], "isolation": "isolated"}
    manifest = Manifest.model_validate(manifest_json(id="acme/future", delivery=delivery, examples=None))
    wheel = make_wheel(node.path.parent / "wheels")
    packed = write_package(node.path.parent / "future.tar", manifest, wheels={runtime: [wheel]}, files={})
    submission = publish(shop.publisher, packed.path, shop.signer).submission
    done = frozenset({"listed", "failed", "in_review"})
    found = wait_for_review(shop.publisher, submission, timeout_s=60, until=done)
    if found.state != "listed":
        path = f"/api/v1/submissions/{submission.id}/approve"
        shop.running.api("POST", path, token=shop.running.admin_token, body={})
    fetched: list[str] = []

    def note(request: httpx.Request, body: bytes) -> bytes:
        fetched.append(request.url.path)
        return body

    with pytest.raises(RuntimeMismatch, match=r"python3\.99"):
        node.install(["acme/future"], meddled("/blobs/", note))
    assert nothing_changed(node)
    assert len(fetched) == 1, "only the manifest, never a wheel"


def test_a_broken_connection_is_gone_on_with(shop: Shop, center: CenterClient, node: Node, meddled: Meddled) -> None:
    shop.publish("broken")
    left = [1]

    def break_off(request: httpx.Request, body: bytes) -> bytes:
        left[0] -= 1
        if left[0] < 0:
            raise httpx.ReadError("connection reset", request=request)
        return body

    with pytest.raises(CenterUnavailable):
        node.install(["acme/broken"], meddled("/v2/acme/broken/", break_off))
    assert nothing_changed(node)
    node.install(["acme/broken"], center)
    assert node.call("acme/broken", "add", {"a": 1, "b": 2}).value == 3


def test_two_installs_at_once_both_hold(shop: Shop, node: Node) -> None:
    shop.publish("left")
    shop.publish("right")
    errors: list[CapmartError] = []

    def install(name: str) -> None:
        try:
            with CenterClient(shop.url) as client, Node(node.path, runner="process") as same:
                same.install([name], client)
        except CapmartError as error:
            errors.append(error)

    threads = [threading.Thread(target=install, args=(name,)) for name in ("acme/left", "acme/right", "acme/left")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert errors == []
    assert [entry.id for entry in node.lock().components] == ["acme/left", "acme/right"]


def test_not_agreeing_leaves_nothing(shop: Shop, center: CenterClient, node: Node) -> None:
    shop.publish("asked", permissions={"network": ["plc.example:502"]})
    seen: list[tuple[str, ...]] = []

    def refuse(ready: Any) -> bool:
        seen.extend(each.release.manifest.permissions.network for each in ready)
        return False

    assert node.install(["acme/asked"], center, agree=refuse) == []
    assert seen == [("plc.example:502",)]
    assert nothing_changed(node)


def test_calls_that_do_not_fit_say_where(shop: Shop, center: CenterClient, node: Node) -> None:
    shop.publish("strict")
    node.install(["acme/strict"], center)
    with pytest.raises(InputRejected) as caught:
        node.call("acme/strict", "add", {"a": 1, "b": "two"})
    assert caught.value.data["path"] == "b"
    with pytest.raises(ActionNotFound, match="add"):
        node.call("acme/strict", "multiply", {})
    with pytest.raises(NotInstalled):
        node.call("acme/absent", "add", {})


def test_a_result_that_breaks_its_schema_is_refused(shop: Shop, center: CenterClient, node: Node) -> None:
    code = ACTION_CODE.replace(b"-> int", b"-> str").replace(b"a + b", b"'three'")
    shop.publish("liar", code=code, examples=None)
    node.install(["acme/liar"], center)
    with pytest.raises(BadResult):
        node.call("acme/liar", "add", {"a": 1, "b": 2})


def test_installed_content_that_was_altered_is_found(shop: Shop, center: CenterClient, node: Node) -> None:
    shop.publish("rotten")
    node.install(["acme/rotten"], center)
    wheel = next(node.tree("acme/rotten").path.rglob("*.whl"))
    data = wheel.read_bytes()
    wheel.unlink()
    wheel.write_bytes(data + b"!")
    (found,) = node.verify()
    assert [error.code for error in found.errors] == ["digest_mismatch"]
    assert {"log", "signature", "state"} == set(found.passed)
