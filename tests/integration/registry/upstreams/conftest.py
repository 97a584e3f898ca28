from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from capmart_core.signing import Ed25519Signer, Signer
from capmart_sdk.client import CenterClient
from capmart_sdk.publish import publish
from tests.support.center import RunningCenter
from tests.support.packages import ACTION_CODE, make_package
from tests.support.registry import EXAMPLES

SETTINGS = {
    "CAPMART_CENTER_RUNNER": "process",
    "CAPMART_CENTER_PROCESS_NAMESPACES": '["acme"]',
    "CAPMART_CENTER_AUTO_APPROVE": '["acme"]',
    "CAPMART_CENTER_SYNC_INTERVAL_S": "0.3",
}
PASSWORD = "correct horse battery"


class Province:
    """A center with namespace ``acme`` and its publisher, whose submissions are approved beforehand."""

    def __init__(self, running: RunningCenter, folder: Path) -> None:
        self.running = running
        self.signer: Signer = Ed25519Signer.generate()
        self._folder = folder
        self._made = 0
        token = running.add_account(
            "dev", org="acme", role="developer", password=PASSWORD, scopes=("read", "push", "publish", "namespace")
        )
        admin = running.admin_token
        running.api(
            "POST", "/api/v1/namespaces", token=admin, body={"namespace": "acme", "organisation": "acme"}, expect=201
        )
        running.api(
            "POST", "/api/v1/namespaces/acme/keys", token=token, body={"key": str(self.signer.public)}, expect=201
        )
        self.client = CenterClient(running.url, token=token, account="dev")

    def publish(self, *, wait: bool = True, **changes: Any) -> str:
        """A small component; returns its digest once it is listed."""
        self._made += 1
        given = {"examples": EXAMPLES, "code": ACTION_CODE, **changes}
        packed = make_package(self._folder / str(self._made), **given)
        submission = publish(self.client, packed.path, self.signer).submission
        if wait:
            eventually(lambda: self.client.submission(submission.id).state in {"listed", "failed", "in_review"})
            found = self.client.submission(submission.id)
            assert found.state == "listed", [one.message.en for one in found.findings]
        return packed.index_digest


def eventually(ready: Callable[[], bool], timeout_s: float = 40) -> float:
    """Wait until ``ready``; how many seconds it took."""
    started = time.monotonic()
    while not ready():
        assert time.monotonic() - started < timeout_s, "not in time"
        time.sleep(0.05)
    return time.monotonic() - started


@pytest.fixture(scope="module")
def province(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Province]:
    folder = tmp_path_factory.mktemp("province")
    made = RunningCenter.make(
        folder / "center", "center.zhejiang.example", title_zh="省中心", title_en="Province", env=SETTINGS
    )
    with made:
        province = Province(made, folder / "packages")
        yield province
        province.client.close()


@pytest.fixture
def brain(tmp_path: Path) -> Iterator[RunningCenter]:
    """Another center; not started."""
    made = RunningCenter.make(
        tmp_path / "brain", "center.pumps.example", title_zh="泵阀大脑", title_en="Pumps brain", env=SETTINGS
    )
    yield made
    made.stop()
