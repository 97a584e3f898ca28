"""A running center with one publisher whose submissions need no reviewer, for tests of nodes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from capmart_core.package import PackedPackage
from capmart_core.signing import Ed25519Signer, Signer
from capmart_sdk.client import CenterClient
from capmart_sdk.publish import publish, wait_for_review
from tests.support.center import RunningCenter
from tests.support.packages import ACTION_CODE, make_package, manifest_json

SETTINGS = {
    "CAPMART_CENTER_RUNNER": "process",
    "CAPMART_CENTER_PROCESS_NAMESPACES": '["acme"]',
    "CAPMART_CENTER_AUTO_APPROVE": '["acme"]',
}
PASSWORD = "correct horse battery"


class Shop:
    """A running center with namespace ``acme`` and its publisher, whose submissions need no reviewer.

    Attributes:
        token: of the publisher.
        signer: the key that ``acme`` has.
    """

    def __init__(self, running: RunningCenter, folder: Path) -> None:
        self.running = running
        self.url = running.url
        self.signer: Signer = Ed25519Signer.generate()
        self._folder = folder
        self._made = 0
        scopes = ("read", "push", "publish", "namespace")
        self.token = running.add_account("dev", org="acme", role="developer", password=PASSWORD, scopes=scopes)
        grant = {"namespace": "acme", "organisation": "acme"}
        running.api("POST", "/api/v1/namespaces", token=running.admin_token, body=grant, expect=201)
        key = {"key": str(self.signer.public)}
        running.api("POST", "/api/v1/namespaces/acme/keys", token=self.token, body=key, expect=201)
        self.publisher = CenterClient(running.url, token=self.token, account="dev")

    def package(self, name: str, version: str = "1.0.0", *, code: bytes = ACTION_CODE, **changes: Any) -> PackedPackage:
        """A package of a small component, not published."""
        self._made += 1
        given = {"examples": manifest_json()["examples"], **changes, "id": f"acme/{name}", "version": version}
        return make_package(self._folder / str(self._made), code=code, **given)

    def publish(self, name: str, version: str = "1.0.0", **changes: Any) -> PackedPackage:
        """A small component, listed."""
        packed = self.package(name, version, **changes)
        submission = publish(self.publisher, packed.path, self.signer).submission
        found = wait_for_review(self.publisher, submission, timeout_s=60)
        assert found.state == "listed", [finding.message.en for finding in found.findings]
        return packed

    def decide(self, op: str, name: str, version: str = "1.0.0", **body: Any) -> None:
        """An act of the center about a release."""
        path = f"/api/v1/components/acme/{name}/releases/{version}/{op}"
        self.running.api("POST", path, token=self.running.admin_token, body=body)


@contextmanager
def open_shop(folder: Path) -> Iterator[Shop]:
    """Make one, serve it, and end it."""
    made = RunningCenter.make(
        folder / "center", "center.zhejiang.example", title_zh="省中心", title_en="Province", env=SETTINGS
    )
    with made:
        opened = Shop(made, folder / "packages")
        try:
            yield opened
        finally:
            opened.publisher.close()
