"""What must not be installed is refused, over the whole way from the publisher to an enterprise, each with its code."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from capmart_core.manifest.models import Manifest
from capmart_core.package import PackageReader, write_package
from capmart_core.signing import Ed25519Signer
from capmart_sdk.publish import publish as publish_package
from capmart_sdk.publish import wait_for_review
from capmart_sdk.publish.package import push_package
from tests.e2e.conftest import Chain, Enterprise
from tests.support.center import RunningCenter, capmart
from tests.support.packages import ACTION_CODE, make_wheel, manifest_json

pytestmark = [pytest.mark.xdist_group("refusals"), pytest.mark.timeout(300)]


def works(enterprise: Enterprise, name: str) -> bool:
    """Whether it installs and answers."""
    enterprise.run("install", f"acme/{name}", "--yes")
    return bool(json.loads(enterprise.run("call", f"acme/{name}", "add", "a=1", "b=2")) == 3)


def test_given_content_altered_in_the_brains_store_then_it_is_refused_and_its_neighbour_installs(
    chain: Chain, enterprise: Enterprise
) -> None:
    packed = chain.shop.publish("tampered", code=ACTION_CODE + b"# a wheel that no other component shares\n")
    chain.wait_for("tampered")
    chain.list_release("neighbour")
    with PackageReader.open(packed.path) as package:
        wheel = next(blob.digest for blob in package.layout.blobs() if blob.media_type.endswith("wheel.v1+zip"))
    (stored,) = chain.brain.folder.rglob(wheel.removeprefix("sha256:"))
    good = stored.read_bytes()
    stored.chmod(0o600)
    stored.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    enterprise.refused("install", "acme/tampered", "--yes", code="digest_mismatch")
    assert works(enterprise, "neighbour")
    stored.write_bytes(good)
    assert works(enterprise, "tampered")


def test_given_a_key_that_the_namespace_does_not_have_then_publishing_is_refused(chain: Chain, tmp_path: Path) -> None:
    packed = chain.shop.package("foreign")
    env = {"CAPMART_HOME": str(tmp_path / "home"), "CAPMART_CENTER": chain.shop.url}
    capmart("key", "new", "stranger", env=env)
    capmart("login", chain.shop.url, env=env, given=f"{chain.shop.token}\n")
    done = capmart("publish", packed.path, "--json", env=env, expect=3)
    assert json.loads(done.stderr.strip().splitlines()[-1])["error"]["code"] == "key_not_granted"


def test_given_content_that_was_only_pushed_then_nobody_installs_it(chain: Chain, enterprise: Enterprise) -> None:
    packed = chain.shop.package("unlisted")
    with PackageReader.open(packed.path) as package:
        push_package(chain.shop.publisher, package)
    enterprise.refused("install", "acme/unlisted", "--yes", code="component_not_found", expect=4)


def test_given_a_catalog_that_shows_what_no_log_has_then_it_is_refused(chain: Chain, enterprise: Enterprise) -> None:
    chain.list_release("invented")
    with sqlite3.connect(chain.brain.folder / "center.db") as database:
        names = [row[1] for row in database.execute("pragma table_info(release)") if row[1] not in ("id", "version")]
        columns = ", ".join(f'"{name}"' for name in names)
        database.execute(
            f"insert into release (version, {columns}) select '1.9.9', {columns} from release"  # noqa: S608 - own names
            " where component_id = 'acme/invented'"
        )
        database.execute("update component set revision = revision + 1000000 where id = 'acme/invented'")
    enterprise.refused("install", "acme/invented@1.9.9", "--yes", code="not_in_log")
    assert works(enterprise, "invented")


def test_given_a_runtime_that_is_not_here_then_it_is_named(
    chain: Chain, enterprise: Enterprise, tmp_path: Path
) -> None:
    runtime = "python3.99-any"
    delivery = {"type": "python", "entry": "acme_sum", "runtimes": [runtime], "isolation": "isolated"}
    manifest = Manifest.model_validate(manifest_json(id="acme/future", delivery=delivery, examples=None))
    packed = write_package(tmp_path / "future.tar", manifest, wheels={runtime: [make_wheel(tmp_path)]}, files={})
    made = publish_package(chain.shop.publisher, packed.path, chain.shop.signer).submission
    found = wait_for_review(chain.shop.publisher, made, timeout_s=60, until=frozenset({"listed", "in_review"}))
    if found.state != "listed":
        path = f"/api/v1/submissions/{found.id}/approve"
        chain.shop.running.api("POST", path, token=chain.shop.running.admin_token, body={})
    chain.wait_for("future")
    enterprise.refused("install", "acme/future", "--yes", code="runtime_mismatch")


@pytest.mark.parametrize("op", ["yank", "quarantine", "recall", "takedown"])
def test_given_a_release_that_is_withdrawn_after_it_was_installed_then_everybody_hears_of_it(
    chain: Chain, enterprise: Enterprise, tmp_path: Path, op: str
) -> None:
    name = f"withdrawn-{op}"
    chain.list_release(name)
    assert works(enterprise, name)
    if op == "yank":
        env = {"CAPMART_HOME": str(tmp_path / "publisher"), "CAPMART_CENTER": chain.shop.url}
        capmart("login", chain.shop.url, env=env, given=f"{chain.shop.token}\n")
        keys = tmp_path / "publisher" / "keys"
        keys.mkdir(parents=True, exist_ok=True)
        assert isinstance(chain.shop.signer, Ed25519Signer)
        chain.shop.signer.save(keys / "acme.pem")
        capmart("yank", f"acme/{name}@1.0.0", "--reason-zh", "结果有误", "--reason-en", "wrong results", env=env)
    else:
        more = {"deadline": "2026-12-31T00:00:00Z"} if op == "recall" else {}
        chain.shop.decide(op, name, reason={"zh": "结果有误", "en": "wrong results"}, **more)
    wait_until_brain_follows(chain)
    said = {"zh": ("结果有误", "zh"), "en": ("wrong results", "en")}
    for words, language in said.values():
        done = capmart("verify", env={**enterprise.env, "CAPMART_LANG": language}, expect=None if op != "yank" else 0)
        assert words in done.stdout + done.stderr
    states = {one["id"]: one["state"] for one in json.loads(enterprise.run("list", "--json"))}
    assert states[f"acme/{name}"] in {"yanked", "quarantined", "recalled", "taken_down"}
    fresh = Enterprise({**enterprise.env, "CAPMART_NODE": str(tmp_path / "fresh")}, tmp_path / "fresh")
    fresh.refused("install", f"acme/{name}@1.0.0", "--yes", code="release_not_installable")


def test_given_a_brain_restored_from_an_old_copy_then_nodes_notice_the_rollback(
    chain: Chain, enterprise: Enterprise, tmp_path: Path
) -> None:
    chain.list_release("before")
    old = copy_of(chain.brain, tmp_path / "old")
    chain.list_release("after")
    assert works(enterprise, "after")
    new = copy_of(chain.brain, tmp_path / "new")
    restore(chain.brain, old, worker=False)  # were it to follow, it would catch up at once
    try:
        enterprise.refused("install", "acme/before", "--yes", code="log_rollback")
    finally:
        restore(chain.brain, new, worker=True)
    assert works(enterprise, "before")


def test_given_a_province_restored_from_an_old_copy_then_the_brain_stops_following_and_says_why(
    chain: Chain, tmp_path: Path
) -> None:
    province = chain.shop.running
    chain.list_release("early")
    old = copy_of(province, tmp_path / "old")
    chain.list_release("late")
    new = copy_of(province, tmp_path / "new")
    restore(province, old, worker=False)
    try:
        until = time.monotonic() + 60
        while (found := upstream(chain.brain))["error_code"] != "log_rollback":
            assert time.monotonic() < until, found
            time.sleep(0.2)
        assert found["error"]["zh"] != found["error"]["en"]
    finally:
        restore(province, new, worker=True)
    chain.list_release("afterwards")
    assert upstream(chain.brain)["error_code"] is None


def upstream(brain: RunningCenter) -> dict[str, Any]:
    (one,) = json.loads(brain.operate("upstream", "list", "--json"))
    return dict(one)


def wait_until_brain_follows(chain: Chain) -> None:
    until = time.monotonic() + 60
    size = int(chain.shop.running.api_text("/log/checkpoint").splitlines()[1])
    while int(chain.brain.api_text(f"/log/origins/{chain.shop.running.origin}/checkpoint").splitlines()[1]) < size:
        assert time.monotonic() < until
        time.sleep(0.1)


def copy_of(center: RunningCenter, folder: Path) -> Path:
    """A copy of the center's folder, made while it stands still."""
    center.stop()
    shutil.copytree(center.folder, folder)
    center.start()
    return folder


def restore(center: RunningCenter, copy: Path, *, worker: bool) -> None:
    """Put a copy in the place of the center's folder."""
    center.stop()
    shutil.rmtree(center.folder)
    shutil.copytree(copy, center.folder)
    center.start(worker=worker)
