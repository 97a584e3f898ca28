"""A node and a gateway with two components installed from a real center: what callers see, checks and all."""

from __future__ import annotations

import http.client
import json
import multiprocessing
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from capmart_sdk.config import Home
from capmart_sdk.node import Node
from tests.support.center import capmart
from tests.support.packages import RUNTIME
from tests.support.processes import CAPMART, Process, free_port
from tests.support.shop import open_shop

CLIENTS = 4
BODY = json.dumps({"a": 1, "b": 2})


@dataclass(frozen=True)
class Installed:
    """A node's folders with ``acme/once`` (isolated) and ``acme/kept`` (resident)."""

    folder: Path

    def node(self) -> Node:
        """The node in this process, running containers."""
        return Node(self.folder / "node", home=Home(self.folder / "home"), runner="docker")

    @contextmanager
    def gateway(self) -> Iterator[int]:
        """``capmart serve`` as a process of its own; its port."""
        port = free_port()
        env = os.environ | _environment(self.folder) | {"CAPMART_RUNNER": "docker"}
        with Process([CAPMART, "serve", "--port", str(port)], log=self.folder / "serve.log", env=env) as process:
            process.wait_for_url(f"http://127.0.0.1:{port}/components", timeout_s=60)
            yield port


@contextmanager
def installed(folder: Path) -> Iterator[Installed]:
    """Publish two components on a center and install them; the center is ended before anything is measured."""
    env = _environment(folder)
    delivery = {"type": "python", "entry": "acme_sum", "runtimes": [RUNTIME], "isolation": "resident"}
    with open_shop(folder / "shop") as shop:
        shop.publish("once")
        shop.publish("kept", delivery=delivery)
        capmart("trust", "add", shop.url, "--fingerprint", shop.running.fingerprint, env=env)
        capmart("install", "acme/once", "acme/kept", "--yes", env=env | {"CAPMART_RUNNER": "docker"})
    yield Installed(folder)


def _environment(folder: Path) -> dict[str, str]:
    return {"CAPMART_HOME": str(folder / "home"), "CAPMART_NODE": str(folder / "node"), "CAPMART_LANG": "en"}


def calls_per_second(port: int, component: str, seconds: float) -> float:
    """Calls answered in a second, asked for by a few kept connections of a process of its own.

    Raises:
        RuntimeError: an answer was wrong.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_load, args=(sender, port, component, seconds))
    process.start()
    try:
        if not receiver.poll(seconds + 60):
            raise RuntimeError("no load came")
        count, wrong = receiver.recv()
    finally:
        process.join(10)
        process.kill()
    if wrong:
        raise RuntimeError(f"{wrong} calls of {component} got a wrong answer")
    return float(count / seconds)


def _load(sender: object, port: int, component: str, seconds: float) -> None:
    counts, wrong = [0] * CLIENTS, [0]

    def client(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while time.perf_counter() < end:
            target = f"/components/{component}/actions/add"
            connection.request("POST", target, BODY, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            if answer.read().strip() == b"3":
                counts[number] += 1
            else:
                wrong[0] += 1
        connection.close()

    end = time.perf_counter() + seconds
    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sender.send((sum(counts), wrong[0]))  # type: ignore[attr-defined]  # a Connection
