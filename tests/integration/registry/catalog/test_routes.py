from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from capmart_core.statements import as_json
from capmart_core.text import Text
from capmart_registry.accounts import service as accounts
from capmart_registry.accounts.principal import Role, scopes_of
from capmart_registry.submissions import acts
from tests.support.processes import CAPMART, Process, free_port
from tests.support.registry import REVIEWER, SmallCenter

REASON = {"zh": "原因", "en": "a reason"}


@pytest.fixture(scope="module")
def small(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallCenter]:
    del database  # made anew for each kind of database
    with SmallCenter(tmp_path_factory.mktemp("center")) as center:
        yield center


@pytest.fixture(scope="module")
def client(small: SmallCenter) -> Iterator[httpx.Client]:
    """To a real server over the same folder."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    settings = {
        "CAPMART_CENTER_DATA": str(small.folder),
        "CAPMART_CENTER_ORIGIN": small.origin,
        "CAPMART_CENTER_TITLE_ZH": "测试中心",
        "CAPMART_CENTER_TITLE_EN": "Test center",
        "CAPMART_CENTER_LISTEN_PORT": str(port),
    }
    server = Process([CAPMART, "center", "serve"], log=small.folder / "serve.log", env={**os.environ, **settings})
    with server, httpx.Client(base_url=url, timeout=30) as client:
        server.wait_for_url(f"{url}/.well-known/capmart.json", timeout_s=60)
        yield client


def found(client: httpx.Client, component: str) -> None:
    """Wait until search shows the component, in the server's own process."""
    end = time.monotonic() + 10
    while component not in {item["id"] for item in client.get("/api/v1/components").json()["items"]}:
        assert time.monotonic() < end
        time.sleep(0.05)


def token(small: SmallCenter, name: str, role: Role, organisation: str = "acme") -> dict[str, str]:
    """The header of a new account's token."""
    with small.center.db.write() as session:
        try:
            accounts.organisation(session, organisation)
        except Exception:  # noqa: BLE001 - not there yet
            accounts.create_organisation(session, organisation, title_zh=organisation, title_en=organisation)
        account = accounts.create_account(session, name, organisation_name=organisation, roles=[role])
        scopes = scopes_of(frozenset({role}))
        _, secret = accounts.create_token(
            session, small.center, account, scopes=scopes, label="test", life=timedelta(hours=1)
        )
    return {"Authorization": f"Bearer {secret}"}


def code(answer: Any, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.json()["code"])


def test_given_a_listed_release_then_the_catalog_answers_as_the_contract_says(
    small: SmallCenter, client: httpx.Client
) -> None:
    listed = small.publish()
    digest = listed.digest
    found(client, "acme/sum")
    page = client.get("/api/v1/components", params={"q": "求和", "kind": "tool", "industry": ["34", "35"]}).json()
    (item,) = page["items"]
    assert (item["id"], item["version"], item["state"], item["home"]) == ("acme/sum", "1.0.0", "listed", small.origin)
    assert item["title"] == {"zh": "求和", "en": "Sum"}
    assert page["total"] == 1
    assert page["facets"]["kind"] == [{"code": "tool", "title": {"zh": "工具组件", "en": "Tool component"}, "count": 1}]
    component = client.get("/api/v1/components/acme/sum").json()
    assert (component["latest"], component["manifest"]["id"]) == ("1.0.0", "acme/sum")
    assert component["releases"][0]["digest"] == digest
    release = client.get("/api/v1/components/acme/sum/releases/1.0.0").json()
    assert release["log_index"] == listed.log_index
    assert {"sbom_missing", "no_examples"} == {check["rule"] for check in release["checks"]}
    assert client.get("/api/v1/namespaces/acme").json()["keys"][0]["keyid"] == small.publisher.public.keyid


@pytest.mark.parametrize(
    "path",
    ["/api/v1/components?q=NAME", "/api/v1/components/acme/NAME", "/api/v1/components/acme/NAME/releases/1.0.0"],
)
def test_given_an_answer_one_has_then_it_is_not_sent_again_until_it_changes(
    small: SmallCenter, client: httpx.Client, path: str
) -> None:
    name = f"cached{len(path)}"
    path = path.replace("NAME", name)
    small.publish(id=f"acme/{name}")
    found(client, f"acme/{name}")
    first = client.get(path)
    etag = first.headers["etag"]
    again = client.get(path, headers={"If-None-Match": f'"other", W/{etag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    acts.center_act(small.center, REVIEWER, f"acme/{name}", "1.0.0", "quarantine", reason=Text(**REASON))
    end = time.monotonic() + 10
    while client.get(path, headers={"If-None-Match": etag}).status_code == 304:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert client.get(path).content != first.content


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/components/acme/absent", 404),
        ("/api/v1/components/acme/sum/releases/9.9.9", 404),
        ("/api/v1/components/%2e%2e/sum", 404),
        ("/api/v1/namespaces/absent", 404),
        ("/api/v1/components?cursor=nonsense", 422),
        ("/api/v1/components?limit=0", 422),
        ("/api/v1/components?sort=price", 422),
        ("/api/v1/submissions", 401),
        ("/api/v1/submissions/1", 401),
    ],
)
def test_given_a_question_that_cannot_be_answered_then_a_problem_document_says_why(
    client: httpx.Client, path: str, status: int
) -> None:
    assert code(client.get(path, headers={"Accept-Language": "zh"}), status)


BOMBS = {
    "one long word": "大" * 5000,
    "thousands of terms": " ".join(f"t{number}" for number in range(2500)),
    "thousands of near misses": "componemt " * 1000,
    "operators": "AND (OR NOT " * 800,
    "open brackets": "(" * 5000,
    "quotes": '"a" "' * 1500,
    "wildcards": "*?~^9 " * 1500,
}


@pytest.mark.parametrize("text", ["AND (", '"', "\x00", "😀", "a:b^2~", *BOMBS.values()], ids=lambda text: text[:8])
def test_c13_given_odd_search_text_then_the_answer_is_a_page_and_soon(client: httpx.Client, text: str) -> None:
    started = time.monotonic()
    answer = client.get("/api/v1/components", params={"q": text})
    assert answer.status_code == 200, answer.text
    assert time.monotonic() - started < 5


def test_given_a_publisher_and_a_reviewer_then_the_whole_way_goes_over_http(
    small: SmallCenter, client: httpx.Client
) -> None:
    publisher, reviewer = token(small, "dev2", "developer"), token(small, "rev", "reviewer", "operator")
    stranger = token(small, "eve", "developer", "rival")
    packed = small.package(id="acme/way")
    small.push(packed)
    body = {"envelope": as_json(small.envelope(packed))}
    assert code(client.post("/api/v1/submissions", json=body), 401) == "not_authenticated"
    assert code(client.post("/api/v1/submissions", json=body, headers=stranger), 403) == "not_allowed"
    made = client.post("/api/v1/submissions", json=body, headers=publisher)
    assert made.status_code == 201
    path = f"/api/v1/submissions/{made.json()['id']}"
    assert client.get(path, headers=stranger).status_code == 404
    assert code(client.post(f"{path}/approve", headers=publisher), 403) == "not_allowed"
    assert code(client.post(f"{path}/approve", headers=reviewer), 409) == "state_conflict"
    small.check()
    mine = small.submit(small.package(id="acme/refused"))
    small.check()
    refused = client.post(f"/api/v1/submissions/{mine}/reject", json={"reason": REASON}, headers=reviewer).json()
    assert (refused["state"], refused["decision"], refused["reasons"]) == ("rejected", "rejected", REASON)
    queue = client.get("/api/v1/submissions", params={"state": "in_review"}, headers=reviewer).json()
    assert [item["id"] for item in queue["items"]] == [made.json()["id"]]
    assert client.get(f"{path}/difference", headers=reviewer).json() == {"previous": None, "changes": []}
    assert code(client.post(f"{path}/reject", json={"reason": {"zh": "只有中文"}}, headers=reviewer), 422)
    listed = client.post(f"{path}/approve", json={}, headers=reviewer).json()
    assert (listed["state"], listed["decision"], listed["reviewer"]) == ("listed", "approved", "rev")
    assert client.get("/api/v1/components/acme/way").status_code == 200
    rejected = client.post(f"{path}/reject", json={"reason": REASON}, headers=reviewer)
    assert code(rejected, 409) == "state_conflict"
    other = small.package(id="acme/way", summary={"zh": "别的", "en": "Other"})
    small.push(other)
    answer = client.post("/api/v1/submissions", json={"envelope": as_json(small.envelope(other))}, headers=publisher)
    assert code(answer, 409) == "version_exists"
    assert answer.json()["data"]["digest"] == packed.index_digest
    act = "/api/v1/components/acme/way/releases/1.0.0"
    assert code(client.post(f"{act}/recall", json={"reason": REASON}, headers=reviewer), 422) == "invalid_request"
    recall = {"reason": REASON, "deadline": "2027-01-31T00:00:00Z", "replacement": "acme/better"}
    assert client.post(f"{act}/recall", json=recall, headers=reviewer).json()["index"] > listed["log_index"]
    shown = client.get(act).json()
    assert (shown["state"], shown["deadline"], shown["replacement"]) == ("recalled", recall["deadline"], "acme/better")


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/components?q=%00&kind=%00",
        "/api/v1/components/acme/a%00b",
        "/api/v1/components/acme/adder/releases/1.0%00",
        "/v2/acme/adder/tags/list?last=%00",
        "/log/origins/a%00b/checkpoint",
        "/log/entries?start=9007199254740992",
        "/log/bodies?start=9007199254740992",
    ],
)
def test_given_values_that_no_database_holds_when_asked_for_then_it_is_the_askers_mistake(
    client: httpx.Client, path: str
) -> None:
    assert client.get(path).status_code < 500
    assert client.get(path, auth=("a\0b", "c\0")).status_code < 500
