"""Every delivery through a real center into a node: images for one platform and several, documents and tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from capmart_core.errors import NotAllowed, RuntimeMismatch
from capmart_core.manifest.models import Manifest
from capmart_core.package import read_image, write_package
from capmart_sdk.client import CenterClient
from capmart_sdk.node import Node
from capmart_sdk.publish import publish
from tests.support.packages import make_image_layout, manifest_json
from tests.support.shop import Shop

CSV = b"region,factor\nzhejiang,0.5153\n"


def list_image(shop: Shop, folder: Path, name: str, architectures: tuple[str, ...]) -> str:
    """A listed release that is an OCI image; the digest of its package."""
    layout = make_image_layout(folder / "image", architectures=architectures)
    image, _ = read_image(layout)
    action: dict[str, Any] = {**manifest_json()["actions"][0], "path": "/add"}
    delivery = {"type": "image", "image": image.root.digest, "protocol": "http", "http": {"port": 8080}}
    changes = {"id": f"acme/{name}", "delivery": delivery, "actions": [action], "examples": None}
    manifest = Manifest.model_validate(manifest_json(**changes))
    packed = write_package(folder / "image.capmart.tar", manifest, wheels={}, files={}, image_layout=layout)
    submission = publish(shop.publisher, packed.path, shop.signer).submission
    for _ in range(200):
        if submission.state not in {"draft", "checking"}:
            break
        submission = shop.publisher.submission(submission.id)
    if submission.state != "listed":
        shop.running.api(
            "POST", f"/api/v1/submissions/{submission.id}/approve", token=shop.running.admin_token, body={}
        )
    return packed.index_digest


@pytest.mark.parametrize("architectures", [("amd64",), ("amd64", "arm64")])
def test_given_an_image_then_all_of_it_is_installed_and_verified(
    shop: Shop, center: CenterClient, node: Node, tmp_path: Path, architectures: tuple[str, ...]
) -> None:
    digest = list_image(shop, tmp_path, f"image-{len(architectures)}", architectures)
    (installed,) = node.install([f"acme/image-{len(architectures)}"], center)
    assert (installed.digest, installed.runtime) == (digest, None)
    found, _ = read_image(node.tree(installed.id).path / "image")
    assert len(found.manifests) == len(architectures)
    assert [each.ok for each in node.verify()] == [True]


def test_given_an_image_for_another_machine_then_it_is_refused(
    shop: Shop, center: CenterClient, node: Node, tmp_path: Path
) -> None:
    list_image(shop, tmp_path, "image-s390x", ("s390x",))
    with pytest.raises(RuntimeMismatch, match="s390x"):
        node.install(["acme/image-s390x"], center)


def test_given_documents_and_tables_then_they_are_installed_and_nothing_runs(
    shop: Shop, center: CenterClient, node: Node
) -> None:
    shop.publish(
        "tables",
        kind="knowledge",
        taxonomy={"subkind": "industry-knowledge"},
        delivery={"type": "files"},
        actions=[],
        examples=None,
        files={"data/factors.csv": CSV},
    )
    (installed,) = node.install(["acme/tables"], center)
    ((file, path),) = node.files(installed.id)
    assert (file.path, path.read_bytes()) == ("data/factors.csv", CSV)
    with pytest.raises(NotAllowed):
        node.instance(installed.id)
