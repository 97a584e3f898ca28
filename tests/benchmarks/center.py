"""What a center does for its publishers: from a package's first byte until it is listed and covered, and found."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from capmart_core.package import PackageReader, PackedPackage
from capmart_sdk.client import CenterClient
from capmart_sdk.publish import publish, wait_for_review
from capmart_sdk.publish.package import push_package
from tests.benchmarks.figures import Figure, Goal, median
from tests.benchmarks.peers import docker_registry
from tests.support.shop import Shop, open_shop

PACKAGES = {"small": 80, "full": 800}
STARTS = {"small": 3, "full": 9}
FOUND = {"small": 4, "full": 20}
CLIENTS = 8
PAYLOAD_BYTES = 100_000


def measure(scale: str) -> list[Figure]:
    """Publications a second, time until found, time to the first answer."""
    with tempfile.TemporaryDirectory() as folder, open_shop(Path(folder)) as shop:
        packages = [
            shop.package(f"load-{number}", examples=None, files={"table.csv": os.urandom(PAYLOAD_BYTES)})
            for number in range(PACKAGES[scale])
        ]
        ours = len(packages) / _published(shop, packages)
        with docker_registry(Path(folder) / "peer") as url:
            beside = None if url is None else len(packages) / _pushed(url, packages)
        found = [_until_found(shop, number) for number in range(FOUND[scale])]
        shop.running.stop()
        starts = [_until_answer(shop) for _ in range(STARTS[scale])]
    return [
        Figure(
            f"publish of {PAYLOAD_BYTES // 1000} KB, {CLIENTS} clients, until listed and covered by a checkpoint",
            ours,
            "/s",
            beside,
            "docker-registry, push alone",
            Goal(40, "least", "ours"),
        ),
        Figure("listed until found by search", median(found), "s", goal=Goal(1, of="ours")),
        Figure("start of a center until its first answer", median(starts), "s", goal=Goal(3, of="ours")),
    ]


def _published(shop: Shop, packages: Sequence[PackedPackage]) -> float:
    """Seconds until all of them are listed and the published checkpoint covers them."""

    def one(client: CenterClient, packed: PackedPackage) -> int:
        made = publish(client, packed.path, shop.signer).submission
        found = wait_for_review(client, made, timeout_s=300)
        if found.state != "listed" or found.log_index is None:
            raise RuntimeError(f"{found.component}@{found.version} is {found.state}")
        return found.log_index

    started = time.perf_counter()
    last = max(_by_clients(shop.url, packages, one, token=shop.token))
    while int(httpx.get(f"{shop.url}/log/checkpoint").text.splitlines()[1]) <= last:
        time.sleep(0.01)
    return time.perf_counter() - started


def _pushed(url: str, packages: Sequence[PackedPackage]) -> float:
    """Seconds until a registry that knows no review, signature or log has the same content, from the same client."""

    def one(client: CenterClient, packed: PackedPackage) -> int:
        with PackageReader.open(packed.path) as package:
            return push_package(client, package).sent

    started = time.perf_counter()
    _by_clients(url, packages, one)
    return time.perf_counter() - started


def _by_clients(
    url: str,
    packages: Sequence[PackedPackage],
    work: Callable[[CenterClient, PackedPackage], int],
    *,
    token: str | None = None,
) -> list[int]:
    """Share the packages among the clients, each with a connection of its own."""

    def share(number: int) -> list[int]:
        with CenterClient(url, token=token, account="dev") as client:
            return [work(client, packed) for packed in packages[number::CLIENTS]]

    with ThreadPoolExecutor(CLIENTS) as pool:
        return [result for results in pool.map(share, range(CLIENTS)) for result in results]


def _until_found(shop: Shop, number: int) -> float:
    """Seconds from a listing until the search of the serving process finds it."""
    name = f"sought-{number}"
    shop.publish(name, examples=None, title={"zh": f"寻找{number}", "en": f"Sought{number}"})
    started = time.perf_counter()
    while not shop.publisher.search(f"sought{number}").items:
        if time.perf_counter() - started > 30:
            raise RuntimeError(f"{name} is not found")
        time.sleep(0.01)
    return time.perf_counter() - started


def _until_answer(shop: Shop) -> float:
    """Seconds from the command until the catalog answers."""
    started = time.perf_counter()
    shop.running.start(worker=False)
    httpx.get(f"{shop.url}/api/v1/components").raise_for_status()
    took = time.perf_counter() - started
    shop.running.stop()
    return took
