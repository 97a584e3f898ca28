"""A killed publish or install is run again and ends right."""

from __future__ import annotations

import os
import random
import subprocess
import time
from pathlib import Path

from capmart_sdk.client import CenterClient
from capmart_sdk.node import Node
from tests.support.center import capmart
from tests.support.loops import loops
from tests.support.processes import CAPMART
from tests.support.shop import Shop

DATA = {f"part-{number}.csv": os.urandom(200_000) for number in range(8)}
LONGEST_S = 2.0


def killed(arguments: list[str], env: dict[str, str], *, after_s: float) -> None:
    """Start the command and kill it, wherever it is by then."""
    process = subprocess.Popen(
        [str(CAPMART), *arguments], env={**os.environ, **env}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    time.sleep(after_s)
    process.kill()
    process.wait()


def environment(folder: Path) -> dict[str, str]:
    return {
        "CAPMART_HOME": str(folder / "home"),
        "CAPMART_NODE": str(folder / "node"),
        "CAPMART_RUNNER": "process",
        "CAPMART_SANDBOX_PROCESS_NAMESPACES": "acme",
        "CAPMART_SANDBOX_CACHE": str(folder / "cache"),
    }


def test_given_an_install_killed_at_any_moment_then_the_next_one_ends_right(shop: Shop, tmp_path: Path) -> None:
    shop.publish("killed-install", files=DATA)
    chance = random.Random(7)  # noqa: S311  # moments, not secrets
    for number in loops(20):
        env = environment(tmp_path / str(number))
        capmart("trust", "add", shop.url, "--fingerprint", shop.running.fingerprint, env=env)
        command = ["install", "acme/killed-install", "--yes"]
        killed(command, env, after_s=chance.uniform(0.2, LONGEST_S))
        capmart(*command, env=env)
        capmart("verify", env=env)
        answer = capmart("call", "acme/killed-install", "add", "a=2", "b=40", env=env)
        assert answer.stdout.strip() == "42"


def test_given_a_publish_killed_at_any_moment_then_the_next_one_ends_right(
    shop: Shop, center: CenterClient, node: Node, tmp_path: Path
) -> None:
    chance = random.Random(8)  # noqa: S311  # moments, not secrets
    env = {"CAPMART_HOME": str(tmp_path / "home"), "CAPMART_TOKEN": shop.token}
    capmart("key", "new", "k", env=env)
    capmart("key", "add", "acme", "--center", shop.url, env=env)
    for number in loops(20):
        name = f"killed-publish-{number}"
        packed = shop.package(name, files=DATA)
        command = ["publish", str(packed.path), "--center", shop.url, "--wait"]
        killed(command, env, after_s=chance.uniform(0.2, LONGEST_S))
        capmart(*command, env=env)
        (installed,) = node.install([f"acme/{name}"], center)
        assert installed.digest == packed.index_digest
