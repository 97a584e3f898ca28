"""A province, a brain that follows it, and enterprises that install from the brain."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.center import RunningCenter, capmart
from tests.support.shop import SETTINGS, Shop, open_shop

BRAIN = "brain.motor.example"


@dataclass
class Chain:
    """Two centers, the second following the first.

    Attributes:
        shop: the province, with its publisher.
        brain: mirrors it.
    """

    shop: Shop
    brain: RunningCenter

    def list_release(self, name: str, version: str = "1.0.0", **changes: Any) -> None:
        """Publish at the province and wait until the brain has all of it."""
        self.shop.publish(name, version, **changes)
        self.wait_for(name, version)

    def wait_for(self, name: str, version: str = "1.0.0") -> None:
        """Until the brain has the content of a release."""
        assert self.brain.worker is not None
        self.brain.worker.wait_until(lambda: self._mirrored(name, version), timeout_s=60)

    def _mirrored(self, name: str, version: str) -> bool:
        answer = httpx.get(f"{self.brain.url}/api/v1/components/acme/{name}", timeout=30)
        releases = answer.json()["releases"] if answer.status_code == 200 else ()
        return any(one["version"] == version and one["available"] for one in releases)


@dataclass
class Enterprise:
    """One node, by the command line.

    Attributes:
        env: with its home.
        node: its folder.
    """

    env: dict[str, str]
    node: Path

    def run(self, *arguments: str | Path, expect: int | None = 0) -> str:
        """What a command printed on stdout."""
        return capmart(*arguments, env=self.env, expect=expect).stdout

    def refused(self, *arguments: str | Path, code: str, expect: int = 3) -> None:
        """The command ends with this code, says what to do in both languages, and changes nothing here."""
        before = self.state()
        for language in ("zh", "en"):
            done = capmart(*arguments, "--json", env={**self.env, "CAPMART_LANG": language}, expect=expect)
            said = json.loads(done.stderr.strip().splitlines()[-1])["error"]
            assert said["code"] == code, done.stderr
            assert said["advice"], done.stderr
            assert any("一" <= letter <= "鿿" for letter in said["advice"]) == (language == "zh"), said
        assert self.state() == before

    def state(self) -> tuple[str, list[str]]:
        """The lock file and what is installed."""
        lock = self.node / "capmart.lock"
        installed = sorted(str(path.relative_to(self.node)) for path in self.node.glob("installed/*/*/*"))
        return (lock.read_text("utf-8") if lock.exists() else ""), installed


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    folder = tmp_path_factory.mktemp("chain")
    with open_shop(folder / "province") as shop:
        settings = {**SETTINGS, "CAPMART_CENTER_SYNC_INTERVAL_S": "0.2"}
        brain = RunningCenter.make(folder / "brain", BRAIN, title_zh="电机大脑", title_en="Motor brain", env=settings)
        brain.operate("upstream", "add", shop.url, "--fingerprint", shop.running.fingerprint)
        with brain:
            yield Chain(shop, brain)


@pytest.fixture
def enterprise(chain: Chain, tmp_path: Path) -> Enterprise:
    """A fresh node that trusts both logs and asks the brain."""
    env = {
        "CAPMART_HOME": str(tmp_path / "home"),
        "CAPMART_NODE": str(tmp_path / "node"),
        "CAPMART_CENTER": chain.brain.url,
        "CAPMART_RUNNER": "process",
        "CAPMART_SANDBOX_PROCESS_NAMESPACES": "acme",
    }
    made = Enterprise(env, tmp_path / "node")
    for center in (chain.brain, chain.shop.running):
        made.run("trust", "add", chain.brain.url, "--origin", center.origin, "--fingerprint", center.fingerprint)
    return made
