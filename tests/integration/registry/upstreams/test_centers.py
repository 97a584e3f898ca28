from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from capmart_core.errors import FingerprintMismatch, OriginNotTrusted
from capmart_core.identifiers import ComponentId
from capmart_core.text import Text
from capmart_registry.center import Center
from capmart_registry.settings import load_settings
from capmart_registry.upstreams import service
from capmart_registry.upstreams.filters import EVERYTHING, Filters
from capmart_registry.upstreams.service import Policy, SyncResult, UpstreamStatus
from capmart_sdk.client import CenterClient
from capmart_sdk.follow import HttpLogSource
from tests.integration.registry.upstreams.conftest import Province, eventually
from tests.support.center import RunningCenter, capmart
from tests.support.processes import CAPMART, Process

REASON = Text(zh="待查", en="being looked into")
ORIGIN = "center.zhejiang.example"


@contextmanager
def opened(running: RunningCenter) -> Iterator[Center]:
    """The center's own services, as its command line has them, without starting a process for each command."""
    center = Center(load_settings(running.folder))
    try:
        yield center
    finally:
        center.close()


def follow(brain: RunningCenter, province: Province, filters: Filters = EVERYTHING, policy: Policy = "full") -> None:
    with opened(brain) as center:
        fingerprint = province.running.fingerprint
        service.add(center, province.running.url, fingerprint=fingerprint, filters=filters, policy=policy)


def sync(running: RunningCenter) -> SyncResult:
    with opened(running) as center:
        return service.sync(center, ORIGIN)


def status(running: RunningCenter) -> UpstreamStatus:
    with opened(running) as center, center.db.read() as session:
        (one,) = service.statuses(session)
        return one


def components(center: RunningCenter, **query: str) -> list[str]:
    answer = httpx.get(f"{center.url}/api/v1/components", params=query, timeout=30).json()
    return [item["id"] for item in answer["items"]]


def manifest(center: RunningCenter, reference: str, repository: str = "acme/sum") -> httpx.Response:
    accept = {"Accept": "application/vnd.oci.image.index.v1+json"}
    url = f"{center.url}/v2/{repository}/manifests/{reference}"
    answer = httpx.get(url, headers=accept, timeout=30)
    if answer.status_code == 401:
        token = httpx.get(
            f"{center.url}/v2/token", params={"scope": f"repository:{repository}:pull"}, timeout=30
        ).json()["token"]
        answer = httpx.get(url, headers={**accept, "Authorization": f"Bearer {token}"}, timeout=30)
    return answer


def test_given_a_release_published_at_the_province_then_the_brain_lists_and_serves_it_with_its_home_unchanged(
    province: Province, brain: RunningCenter
) -> None:
    digest = province.publish(id="acme/first")
    took = eventually(lambda: "acme/first" in components(province.running, q="求和"))
    assert took < 5
    follow(brain, province)
    brain.start()
    eventually(lambda: "acme/first" in components(brain))
    eventually(lambda: status(brain).missing == 0)
    shown = brain.api("GET", "/api/v1/components/acme/first")
    assert (shown["home"], shown["releases"][0]["digest"]) == (ORIGIN, digest)
    assert shown["releases"][0]["available"] is True
    for reference in (digest, "1.0.0"):
        answer = manifest(brain, reference, "acme/first")
        assert answer.status_code == 200
        assert answer.content == manifest(province.running, digest, "acme/first").content
    later = province.publish(id="acme/second")
    eventually(lambda: "acme/second" in components(brain))
    eventually(lambda: manifest(brain, later, "acme/second").status_code == 200)
    health = status(brain)
    assert (health.cursor, health.error_code) == (health.size, None)


def test_given_a_relayed_log_then_it_is_served_word_for_word(province: Province, brain: RunningCenter) -> None:
    province.publish(id="acme/relayed")
    add = ("upstream", "add", province.running.url, "--fingerprint", province.running.fingerprint)
    assert ORIGIN in brain.operate(*add)
    brain.start(worker=False)
    (synced,) = json.loads(brain.operate("upstream", "sync", "--json"))
    assert (synced["missing"], synced["refused"]) == (0, 0)
    (listed,) = json.loads(brain.operate("upstream", "list", "--json"))
    assert (listed["origin"], listed["policy"], listed["error"]) == (ORIGIN, "full", None)
    with (
        HttpLogSource(f"{province.running.url}/log") as home,
        HttpLogSource(f"{brain.url}/log/origins/{ORIGIN}") as relay,
    ):
        assert relay.checkpoint() == home.checkpoint()
        assert relay.entries(0, 1000) == home.entries(0, 1000)
        assert relay.bodies(0, 200) == home.bodies(0, 200)
    (told,) = brain.api("GET", "/.well-known/capmart.json")["upstreams"]
    assert (told["origin"], told["fingerprint"]) == (ORIGIN, province.running.fingerprint)


def test_given_a_relay_then_a_third_center_follows_the_origin_through_it(
    province: Province, brain: RunningCenter, tmp_path: Path
) -> None:
    digest = province.publish(id="acme/far")
    follow(brain, province)
    brain.start(worker=False)
    sync(brain)
    third = RunningCenter.make(
        tmp_path / "third", "factory.example", title_zh="工厂", title_en="Factory", env=dict(brain.env)
    )
    third.env["CAPMART_CENTER_DATA"] = str(third.folder)
    with third:
        with opened(third) as center:
            service.add(center, brain.url, fingerprint=province.running.fingerprint, origin=ORIGIN)
        sync(third)
        assert third.api("GET", "/api/v1/components/acme/far")["home"] == ORIGIN
        assert manifest(third, digest, "acme/far").status_code == 200


def test_given_a_wrong_fingerprint_or_none_then_nothing_is_followed(province: Province, brain: RunningCenter) -> None:
    add = ["center", "upstream", "add", province.running.url]
    wrong = capmart(*add, "--fingerprint", "SHA256:" + "A" * 43, env=brain.env, expect=3)
    assert FingerprintMismatch.code in wrong.stderr
    none = capmart(*add, env=brain.env, given="", expect=3)
    assert OriginNotTrusted.code in none.stderr
    assert json.loads(brain.operate("upstream", "list", "--json")) == []


def test_given_filters_then_only_matching_components_are_shown_and_widening_brings_the_rest(
    province: Province, brain: RunningCenter
) -> None:
    province.publish(id="acme/textile", taxonomy={"subkind": "analysis", "industries": ["17"]})
    province.publish(id="acme/machine", taxonomy={"subkind": "analysis", "industries": ["34"]})
    follow(brain, province, Filters(industries=("17",)), "metadata")
    brain.start()
    sync(brain)
    eventually(lambda: "acme/textile" in components(brain))
    assert "acme/machine" not in components(brain)
    before = status(brain)
    assert before.cursor == before.size  # every entry is followed, whatever is shown
    assert manifest(brain, "1.0.0", "acme/textile").status_code == 404  # metadata only
    follow(brain, province, Filters(industries=("17", "34")))
    sync(brain)
    eventually(lambda: {"acme/textile", "acme/machine"} <= set(components(brain)))
    eventually(lambda: manifest(brain, "1.0.0", "acme/machine").status_code == 200)
    follow(brain, province, Filters(industries=("34",)))
    eventually(lambda: "acme/textile" not in components(brain))


def test_given_a_quarantine_at_the_home_then_downstream_hides_and_refuses_it(
    province: Province, brain: RunningCenter
) -> None:
    digest = province.publish(id="acme/doubtful")
    follow(brain, province)
    brain.start()
    eventually(lambda: manifest(brain, digest, "acme/doubtful").status_code == 200)
    path = "/api/v1/components/acme/doubtful/releases/1.0.0"
    province.running.api(
        "POST", f"{path}/quarantine", token=province.running.admin_token, body={"reason": REASON.model_dump()}
    )
    took = eventually(lambda: brain.api("GET", path)["state"] == "quarantined")
    assert took < 5
    assert brain.api("GET", path)["reason"] == REASON.model_dump()
    assert manifest(brain, digest, "acme/doubtful").status_code == 404
    province.running.api("POST", f"{path}/release", token=province.running.admin_token, body={})
    eventually(lambda: manifest(brain, digest, "acme/doubtful").status_code == 200)


@pytest.mark.parametrize("pause_s", [0.01, 0.1])
def test_given_a_sync_killed_at_some_moment_then_the_next_one_completes_it(
    province: Province, brain: RunningCenter, pause_s: float, tmp_path: Path
) -> None:
    data = {f"table{number}.csv": bytes([number]) * 200_000 for number in range(40)}
    name = f"acme/large{str(pause_s).replace('.', '')}"
    digest = province.publish(
        id=name,
        kind="knowledge",
        delivery={"type": "files"},
        actions=None,
        examples=None,
        files=data,
        taxonomy={"subkind": "standards-rules"},
    )
    follow(brain, province)
    brain.start(worker=False)
    command = [str(CAPMART), "center", "upstream", "sync"]
    process = Process(command, log=tmp_path / "sync.log", env={**os.environ, **brain.env})
    eventually(lambda: status(brain).cursor > 0 or not process.running)
    with suppress(subprocess.TimeoutExpired):
        process.wait(pause_s)
    process.kill()
    sync(brain)
    assert status(brain).missing == 0
    with CenterClient(brain.url) as client:
        page = client.http.get(f"/api/v1/components/{name}")
        repository = client.repository(ComponentId.parse(name))
        assert repository.manifest(digest)
        for file in page["manifest"]["files"]:
            assert len(b"".join(repository.blob(file["digest"]))) == file["size"]


def test_given_a_worker_killed_while_following_then_another_goes_on(province: Province, brain: RunningCenter) -> None:
    follow(brain, province)
    brain.start()
    province.publish(id="acme/before")
    eventually(lambda: "acme/before" in components(brain))
    assert brain.worker is not None
    brain.worker.kill()
    province.publish(id="acme/after")
    brain.worker = Process(
        [str(CAPMART), "center", "worker"],
        log=brain.folder / "worker2.log",
        env={**os.environ, **brain.env},
    )
    eventually(lambda: "acme/after" in components(brain), timeout_s=60)


def test_given_an_upstream_that_is_away_then_its_health_says_so_and_it_recovers(
    province: Province, brain: RunningCenter
) -> None:
    follow(brain, province)
    brain.start()
    eventually(lambda: status(brain).last_ok is not None)
    assert province.running.server is not None
    province.running.server.stop()
    try:
        eventually(lambda: status(brain).error_code == "center_unavailable", timeout_s=60)
        error = status(brain).error
        assert error is not None
        assert error.zh
    finally:
        province.running.start(worker=False)
    eventually(lambda: status(brain).error_code is None, timeout_s=60)
