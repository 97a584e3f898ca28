"""What the OCI Distribution specification 1.1 asks of a registry, workflow by workflow, over real HTTP.

The order and the inputs follow the specification's four workflows: push, pull, content discovery, content management.
"""

from __future__ import annotations

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

REPO = "/v2/acme/conformance"
OTHER = "/v2/acme/crossmount"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
ABSENT = f"sha256:{hashlib.sha256(b'nobody pushed this').hexdigest()}"


@pytest.fixture
def dev(served: Any) -> Any:
    with served.client(served.bearer(("dev", served.owner))) as client:
        yield client


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def code(answer: httpx.Response) -> str:
    return str(answer.json()["errors"][0]["code"])


def push_blob(dev: httpx.Client, data: bytes, repo: str = REPO) -> dict[str, Any]:
    begun = dev.post(f"{repo}/blobs/uploads/")
    done = dev.put(begun.headers["location"], params={"digest": digest(data)}, content=data)
    assert done.status_code == 201, done.text
    return {"mediaType": LAYER, "digest": digest(data), "size": len(data)}


def manifest(dev: httpx.Client, **members: Any) -> bytes:
    """A manifest over a config and a layer that are pushed for it."""
    config = push_blob(dev, json.dumps({"architecture": "amd64", "salt": os.urandom(8).hex()}).encode())
    layer = push_blob(dev, os.urandom(100))
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": {**config, "mediaType": CONFIG}, "layers": [layer]}
    return json.dumps(document | members).encode()


def push_manifest(dev: httpx.Client, reference: str, data: bytes, kind: str = MANIFEST) -> httpx.Response:
    return dev.put(f"{REPO}/manifests/{reference}", content=data, headers={"Content-Type": kind})


def tags(dev: httpx.Client, **query: Any) -> list[str]:
    answer = dev.get(f"{REPO}/tags/list", params=query)
    assert answer.status_code == 200
    return list(answer.json()["tags"])


# Push.


def test_given_post_then_put_then_the_blob_is_there(dev: httpx.Client) -> None:
    data = os.urandom(1000)
    begun = dev.post(f"{REPO}/blobs/uploads/", headers={"Content-Length": "0"})
    assert begun.status_code == 202
    assert begun.headers["location"]
    done = dev.put(begun.headers["location"], params={"digest": digest(data)}, content=data)
    assert done.status_code == 201
    assert dev.get(done.headers["location"]).content == data


def test_given_one_post_with_the_whole_blob_then_it_is_there(dev: httpx.Client) -> None:
    data = os.urandom(1000)
    done = dev.post(f"{REPO}/blobs/uploads/", params={"digest": digest(data)}, content=data)
    assert done.status_code == 201
    assert dev.get(f"{REPO}/blobs/{digest(data)}").content == data


def test_given_chunks_then_each_must_begin_where_the_last_ended(dev: httpx.Client) -> None:
    first, second = os.urandom(700), os.urandom(300)
    location = dev.post(f"{REPO}/blobs/uploads/").headers["location"]
    kind = {"Content-Type": "application/octet-stream"}
    early = dev.patch(location, content=second, headers={**kind, "Content-Range": "700-999"})
    assert early.status_code == 416
    moved = dev.patch(location, content=first, headers={**kind, "Content-Range": "0-699"})
    assert moved.status_code == 202
    assert moved.headers["range"] == "0-699"
    again = dev.patch(moved.headers["location"], content=first, headers={**kind, "Content-Range": "0-699"})
    assert again.status_code == 416
    status = dev.get(moved.headers["location"])
    assert (status.status_code, status.headers["range"]) == (204, "0-699")
    last = dev.put(
        status.headers["location"],
        params={"digest": digest(first + second)},
        content=second,
        headers={**kind, "Content-Range": "700-999"},
    )
    assert last.status_code == 201
    assert dev.get(f"{REPO}/blobs/{digest(first + second)}").content == first + second


def test_given_a_mount_then_the_blob_is_in_the_other_repository_or_an_upload_begins(dev: httpx.Client) -> None:
    data = os.urandom(100)
    push_blob(dev, data)
    mounted = dev.post(f"{OTHER}/blobs/uploads/", params={"mount": digest(data), "from": "acme/conformance"})
    assert mounted.status_code == 201
    assert mounted.headers["location"] == f"{OTHER}/blobs/{digest(data)}"
    assert dev.get(mounted.headers["location"]).content == data
    for query in ({"mount": ABSENT, "from": "acme/conformance"}, {"mount": ABSENT}):
        begun = dev.post(f"{OTHER}/blobs/uploads/", params=query)
        assert begun.status_code == 202
        assert begun.headers["location"].startswith(f"{OTHER}/blobs/uploads/")


def test_given_a_manifest_then_it_needs_its_parts_and_its_own_digest(dev: httpx.Client) -> None:
    data = manifest(dev)
    assert code(push_manifest(dev, ABSENT, data)) == "DIGEST_INVALID"
    orphan = manifest(dev, layers=[{"mediaType": LAYER, "digest": ABSENT, "size": 1}])
    assert code(push_manifest(dev, "orphan", orphan)) == "MANIFEST_BLOB_UNKNOWN"
    assert code(push_manifest(dev, "broken", b"{")) == "MANIFEST_INVALID"
    done = push_manifest(dev, digest(data), data)
    assert done.status_code == 201
    assert dev.get(done.headers["location"]).content == data
    assert push_manifest(dev, "empty", manifest(dev, layers=[])).status_code == 201


# Pull.


def test_given_what_is_not_there_then_404_with_the_code_of_its_kind(dev: httpx.Client) -> None:
    for path, expected in (
        (f"{REPO}/blobs/{ABSENT}", "BLOB_UNKNOWN"),
        (f"{REPO}/manifests/{ABSENT}", "MANIFEST_UNKNOWN"),
        (f"{REPO}/manifests/never-pushed", "MANIFEST_UNKNOWN"),
        (f"{REPO}/manifests/.INVALID_MANIFEST_NAME", "MANIFEST_UNKNOWN"),
    ):
        assert dev.head(path).status_code == 404
        answer = dev.get(path)
        assert (answer.status_code, code(answer)) == (404, expected)


def test_given_a_manifest_by_tag_or_digest_then_head_and_get_agree(dev: httpx.Client) -> None:
    data = manifest(dev)
    assert push_manifest(dev, "pulled", data).status_code == 201
    for reference in ("pulled", digest(data)):
        head, whole = (dev.request(verb, f"{REPO}/manifests/{reference}") for verb in ("HEAD", "GET"))
        assert head.status_code == whole.status_code == 200
        assert whole.content == data
        for answer in (head, whole):
            assert answer.headers["docker-content-digest"] == digest(data)
            assert answer.headers["content-type"] == MANIFEST
            assert answer.headers["content-length"] == str(len(data))


def test_given_a_range_then_only_it_is_sent(dev: httpx.Client) -> None:
    data = os.urandom(1000)
    path = f"{REPO}/blobs/{push_blob(dev, data)['digest']}"
    for asked, expected in (("0-99", data[:100]), ("900-", data[900:]), ("-50", data[-50:])):
        answer = dev.get(path, headers={"Range": f"bytes={asked}"})
        assert (answer.status_code, answer.content) == (206, expected)
    assert dev.get(path, headers={"Range": "bytes=1000-"}).status_code == 416


# Content discovery.


def test_given_tags_then_pages_follow_each_other_in_order(dev: httpx.Client) -> None:
    data = manifest(dev)
    for name in ("paged-b", "paged-a", "paged-B", "paged-c"):
        assert push_manifest(dev, name, data).status_code == 201
    everything = tags(dev)
    assert everything == sorted(everything)
    assert tags(dev, n=2) == everything[:2]
    assert tags(dev, n=2, last="paged-B") == ["paged-a", "paged-b"]
    assert tags(dev, n=0) == []
    seen, link = [], f"{REPO}/tags/list?n=1"
    while link:
        answer = dev.get(link)
        seen += answer.json()["tags"]
        link = answer.links.get("next", {}).get("url", "")
    assert seen == everything


def test_given_referrers_then_they_are_listed_filtered_and_may_come_before_their_subject(dev: httpx.Client) -> None:
    subject_data = manifest(dev)
    subject = {"mediaType": MANIFEST, "digest": digest(subject_data), "size": len(subject_data)}
    assert dev.get(f"{REPO}/referrers/{ABSENT}").json()["manifests"] == []
    report = manifest(dev, subject=subject, artifactType="application/x-report", annotations={"is": "a report"})
    by_config = manifest(dev, subject=subject)
    index = json.dumps(
        {"schemaVersion": 2, "mediaType": INDEX, "manifests": [], "subject": subject, "artifactType": "application/x-i"}
    ).encode()
    for data, kind in ((report, MANIFEST), (by_config, MANIFEST), (index, INDEX)):
        done = push_manifest(dev, digest(data), data, kind)
        assert done.status_code == 201
        assert done.headers["oci-subject"] == subject["digest"]
    assert push_manifest(dev, "subject", subject_data).status_code == 201
    answer = dev.get(f"{REPO}/referrers/{subject['digest']}")
    assert answer.headers["content-type"] == INDEX
    assert "oci-filters-applied" not in answer.headers
    listed = {entry["digest"]: entry for entry in answer.json()["manifests"]}
    assert {listed[digest(data)]["artifactType"] for data in (report, by_config, index)} == {
        "application/x-report",
        CONFIG,
        "application/x-i",
    }
    assert listed[digest(report)]["annotations"] == {"is": "a report"}
    filtered = dev.get(f"{REPO}/referrers/{subject['digest']}", params={"artifactType": "application/x-report"})
    assert filtered.headers["oci-filters-applied"] == "artifactType"
    assert [entry["digest"] for entry in filtered.json()["manifests"]] == [digest(report)]
    assert dev.delete(f"{REPO}/manifests/{digest(report)}").status_code == 202
    left = dev.get(f"{REPO}/referrers/{subject['digest']}").json()["manifests"]
    assert digest(report) not in {entry["digest"] for entry in left}


# Content management.


def test_given_a_deleted_tag_then_the_manifest_stays_and_a_deleted_manifest_takes_its_tags(dev: httpx.Client) -> None:
    data = manifest(dev)
    for name in ("gone-1", "gone-2"):
        assert push_manifest(dev, name, data).status_code == 201
    assert dev.delete(f"{REPO}/manifests/gone-1").status_code == 202
    assert dev.get(f"{REPO}/manifests/gone-1").status_code == 404
    assert dev.get(f"{REPO}/manifests/{digest(data)}").status_code == 200
    assert dev.delete(f"{REPO}/manifests/{digest(data)}").status_code == 202
    assert dev.get(f"{REPO}/manifests/{digest(data)}").status_code == 404
    assert dev.get(f"{REPO}/manifests/gone-2").status_code == 404
    assert "gone-2" not in tags(dev)
    assert dev.delete(f"{REPO}/manifests/{digest(data)}").status_code == 404


def test_given_a_deleted_blob_then_it_is_gone_and_can_be_pushed_again(dev: httpx.Client) -> None:
    data = os.urandom(100)
    path = f"{REPO}/blobs/{push_blob(dev, data)['digest']}"
    assert dev.delete(path).status_code == 202
    assert dev.get(path).status_code == 404
    assert dev.delete(path).status_code == 404
    push_blob(dev, data)
    assert dev.get(path).content == data


def test_c2_given_two_manifests_pushed_under_one_tag_at_once_then_all_are_kept_and_the_tag_names_one(
    served: Any, dev: httpx.Client
) -> None:
    rivals = [manifest(dev), manifest(dev)]
    bearer = dev.headers["authorization"].removeprefix("Bearer ")

    def push(turn: int) -> int:
        with served.client(bearer) as client:
            return push_manifest(client, "raced", rivals[turn % 2]).status_code

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(push, range(32))) == {201}
    assert dev.get(f"{REPO}/manifests/raced").content in rivals
    for data in rivals:
        assert dev.get(f"{REPO}/manifests/{digest(data)}").content == data
    assert tags(dev).count("raced") == 1
