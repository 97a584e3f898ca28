from __future__ import annotations

import re
import time
from datetime import timedelta
from typing import Any

import httpx
import pytest

from capmart_core.log import decode_entry
from capmart_core.signing import Ed25519Signer, open_statement
from capmart_registry.accounts import service as accounts
from capmart_registry.log import service as log

PASSWORD = "correct horse battery"


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found["status"] == status
    return found


def statement(served: Any, index: int) -> Any:
    """What the log says at ``index``."""
    reader = log.readers(served.center)[served.center.origin]
    framed = reader.entries(index, 1)
    return open_statement(decode_entry(framed[2:]).envelope)[0]


def test_given_a_token_when_asked_who_it_is_then_account_organisation_and_scopes_are_told(served: Any) -> None:
    with served.client(served.owner) as client:
        assert client.get("/api/v1/whoami").json() == {
            "account": "dev",
            "organisation": "acme",
            "roles": ["developer"],
            "scopes": ["namespace", "publish", "push", "read"],
        }


@pytest.mark.parametrize("secret", [PASSWORD, "token"])
def test_given_http_basic_when_it_carries_password_or_token_then_both_are_taken(served: Any, secret: str) -> None:
    given = served.owner if secret == "token" else secret
    assert httpx.get(f"{served.url}/api/v1/whoami", auth=("dev", given)).json()["account"] == "dev"


@pytest.mark.parametrize(
    "header",
    [
        "Bearer cap_no-such-token",
        "Bearer",
        "Bearer v2.x.y",
        "Bearer \xe9\xe8",
        "Basic !!!",
        "Basic gICAgA==",
        "Digest username=dev",
        "",
    ],
)
@pytest.mark.parametrize("path", ["/api/v1/whoami", "/v2/"])
def test_given_a_header_that_proves_nothing_when_used_then_401_whatever_its_form(
    served: Any, header: str, path: str
) -> None:
    answer = httpx.get(served.url + path, headers=[(b"Authorization", header.encode("latin-1"))])
    assert answer.status_code == 401
    assert "www-authenticate" in answer.headers


def test_given_unknown_name_and_wrong_password_when_refused_then_the_answers_are_the_same(served: Any) -> None:
    answers, times = [], []
    for auth in (("nobody-here", PASSWORD), ("dev", "wrong horse battery")):
        start = time.perf_counter()
        answers.append(problem(httpx.get(f"{served.url}/api/v1/whoami", auth=auth), 401))
        times.append(time.perf_counter() - start)
    assert answers[0] == answers[1]
    assert min(times) > 0.015, "an unknown name is answered without checking a hash"


def test_given_chinese_asked_for_when_refused_then_the_problem_is_in_chinese(served: Any) -> None:
    headers = {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"}
    found = problem(httpx.get(f"{served.url}/api/v1/whoami", headers=headers), 401)
    assert found["code"] == "not_authenticated"
    assert found["detail"].startswith("尚未登录")


def test_given_a_token_expired_when_used_then_401(served: Any) -> None:
    secret = served.token("dev", "developer", "acme", life=timedelta(seconds=1))
    time.sleep(1.1)
    with served.client(secret) as client:
        assert problem(client.get("/api/v1/whoami"), 401)["code"] == "not_authenticated"


def test_given_a_token_revoked_a_moment_ago_when_used_then_401_also_by_a_bearer_made_before(served: Any) -> None:
    secret = served.token("dev", "developer", "acme")
    bearer = served.bearer(("dev", secret))
    with served.client(secret) as client, served.client(bearer) as docker:
        assert client.get("/api/v1/whoami").status_code == 200
        assert docker.get("/v2/").status_code == 200
        with served.center.db.write() as session:
            row = accounts.tokens_of(session, "dev")
            newest = next(one for one in row if one.hash == accounts._hash(secret))
            accounts.revoke_token(session, newest.id)
        assert problem(client.get("/api/v1/whoami"), 401)["code"] == "not_authenticated"
        assert docker.get("/v2/").status_code == 401


def test_given_a_member_removed_when_they_come_back_then_nothing_of_theirs_is_taken(served: Any) -> None:
    secret = served.token("leaver", "developer", "acme")
    bearers = [served.bearer(("leaver", secret)), served.bearer(("leaver", PASSWORD))]
    with served.center.db.write() as session:
        accounts.disable_account(session, "leaver")
    for header in (f"Bearer {secret}", *(f"Bearer {one}" for one in bearers)):
        assert httpx.get(f"{served.url}/v2/", headers={"Authorization": header}).status_code == 401
    assert httpx.get(f"{served.url}/v2/token", auth=("leaver", PASSWORD)).status_code == 401
    line = served.log.read_text("utf-8").splitlines()[-1]
    assert "refused" in line
    assert "/v2/token" in line


def test_given_a_bearer_forged_when_used_then_401(served: Any) -> None:
    bearer = served.bearer(("dev", served.owner))
    head, _, mac = bearer.rpartition(".")
    other = served.bearer()
    for forged in (f"{head}.{mac[:-1]}0", f"{other.rpartition('.')[0]}.{mac}", f"{head}.", "v2."):
        if forged != bearer:
            with served.client(forged) as client:
                assert client.get("/v2/").status_code == 401


def test_given_a_scope_missing_when_needed_then_403_names_it_and_it_is_audited(served: Any) -> None:
    secret = served.token("dev", "developer", "acme", scopes=frozenset({"read"}))
    key = str(Ed25519Signer.generate().public)
    with served.client(secret) as client:
        found = problem(client.post("/api/v1/namespaces/acme/keys", json={"key": key}), 403)
        assert client.post("/v2/acme/x/blobs/uploads/").status_code == 403
    assert found["code"] == "not_allowed"
    assert "scope namespace" in found["advice"]
    audited = [line for line in served.log.read_text("utf-8").splitlines() if "refused to account dev" in line]
    assert len(audited) >= 2


def test_given_secrets_when_used_and_refused_then_neither_log_nor_database_holds_them(served: Any) -> None:
    httpx.get(f"{served.url}/api/v1/whoami", auth=("dev", "a-mistyped-secret"))
    with served.client(served.owner) as client:
        client.get("/api/v1/whoami")
    written = served.log.read_text("utf-8")
    for secret in (served.owner, served.stranger, PASSWORD, "a-mistyped-secret"):
        assert secret not in written
        assert not served.in_database(secret)


def test_given_a_token_used_when_listed_then_it_says_when(served: Any) -> None:
    secret = served.token("user", "developer", "acme")
    with served.center.db.read() as session:
        assert accounts.tokens_of(session, "user")[0].last_used is None
    with served.client(secret) as client:
        client.get("/api/v1/whoami")
    with served.center.db.read() as session:
        assert accounts.tokens_of(session, "user")[0].last_used is not None


def test_given_an_admin_when_granting_a_namespace_then_the_log_says_so_once(served: Any) -> None:
    body = {"namespace": "newton", "organisation": "acme"}
    with served.client(served.admin) as client:
        answer = client.post("/api/v1/namespaces", json=body)
        assert answer.status_code == 201
        index = answer.json()["index"]
        assert client.post("/api/v1/namespaces", json=body).json()["index"] == index
        taken = problem(client.post("/api/v1/namespaces", json={**body, "organisation": "globex"}), 409)
        unknown = problem(client.post("/api/v1/namespaces", json={**body, "organisation": "no-such"}), 404)
        problem(client.post("/api/v1/namespaces", json={**body, "namespace": "Bad_Name"}), 400)
        problem(client.post("/api/v1/namespaces", json={"namespace": "x"}), 422)
        problem(client.post("/api/v1/namespaces", json={**body, "extra": 1}), 422)
    assert (taken["code"], unknown["code"]) == ("state_conflict", "not_found")
    said = statement(served, index)
    assert (said.op, said.namespace, said.organisation, said.home) == (
        "ns.grant",
        "newton",
        "acme",
        served.center.origin,
    )


def test_given_a_developer_when_granting_a_namespace_then_403(served: Any) -> None:
    with served.client(served.owner) as client:
        body = {"namespace": "grabbed", "organisation": "acme"}
        assert problem(client.post("/api/v1/namespaces", json=body), 403)["code"] == "not_allowed"
        assert client.get("/api/v1/namespaces/grabbed").status_code == 404


def test_given_an_owner_when_adding_and_revoking_a_key_then_the_log_and_the_namespace_say_so(served: Any) -> None:
    key = Ed25519Signer.generate().public
    with served.client(served.owner) as client:
        added = client.post("/api/v1/namespaces/acme/keys", json={"key": str(key)})
        assert added.status_code == 201
        index = added.json()["index"]
        assert client.post("/api/v1/namespaces/acme/keys", json={"key": str(key)}).json()["index"] == index
        known = {one["keyid"]: one for one in client.get("/api/v1/namespaces/acme").json()["keys"]}
        assert known[key.keyid]["key"] == str(key)
        assert (known[key.keyid]["added_index"], known[key.keyid].get("revoked_from")) == (index, None)
        revoked = client.post(f"/api/v1/namespaces/acme/keys/{key.keyid}/revoke")
        assert revoked.status_code == 201
        known = {one["keyid"]: one for one in client.get("/api/v1/namespaces/acme").json()["keys"]}
        assert known[key.keyid]["revoked_from"] == revoked.json()["index"]
        problem(client.post(f"/api/v1/namespaces/acme/keys/{'0' * 64}/revoke"), 404)
        problem(client.post("/api/v1/namespaces/acme/keys", json={"key": "rsa:AAAA"}), 400)
    assert statement(served, index).op == "key.add"
    assert statement(served, revoked.json()["index"]).op == "key.revoke"


@pytest.mark.parametrize("path", ["/api/v1/namespaces/acme/keys", "/api/v1/namespaces/acme/keys/{keyid}/revoke"])
def test_given_another_organisation_when_touching_the_keys_then_403(served: Any, path: str) -> None:
    key = served.small.publisher.public
    with served.client(served.stranger) as client:
        answer = client.post(path.format(keyid=key.keyid), json={"key": str(Ed25519Signer.generate().public)})
    assert problem(answer, 403)["code"] == "not_allowed"


def test_given_a_body_beyond_the_limit_when_sent_then_413_declared_or_not(served: Any) -> None:
    limit = served.center.settings.max_body_bytes

    def unmeasured() -> Any:
        for _ in range(limit // 65_536 + 1):
            yield b" " * 65_536

    for content in (b" " * (limit + 1), unmeasured()):
        with served.client(served.admin) as client:
            headers = {"Content-Type": "application/json"}
            answer = client.post("/api/v1/namespaces", content=content, headers=headers)
            assert problem(answer, 413)["code"] == "too_large"


def test_given_any_answer_when_read_then_it_names_its_request_and_forbids_framing(served: Any) -> None:
    asked = httpx.get(f"{served.url}/api/v1/whoami", headers={"X-Request-Id": "mine-1"})
    assert asked.headers["x-request-id"] == "mine-1"
    made = httpx.get(
        f"{served.url}/api/v1/whoami", headers={"X-Request-Id": "a\tb" * 50, "Origin": "https://evil.test"}
    )
    assert re.fullmatch(r"[0-9a-f]{16}", made.headers["x-request-id"])
    assert made.headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in made.headers["content-security-policy"]
    assert "access-control-allow-origin" not in made.headers


def test_given_no_such_route_or_method_when_asked_then_a_problem_says_so(served: Any) -> None:
    assert problem(httpx.get(f"{served.url}/api/v1/nothing"), 404)["code"] == "not_found"
    assert problem(httpx.delete(f"{served.url}/api/v1/whoami"), 405)["code"] == "invalid_request"
