"""Load from this machine: kept connections, each asking again as soon as it was answered, for a bounded time."""

from __future__ import annotations

import http.client
import multiprocessing
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.benchmarks.figures import percentile


@dataclass(frozen=True)
class Load:
    """What came of it.

    Attributes:
        rate: requests answered in a second.
        p50_ms: of the answers.
        p95_ms: likewise.
        errors: answers that were no success.
    """

    rate: float
    p50_ms: float
    p95_ms: float
    errors: int


def load(
    url: str, paths: Sequence[str], *, clients: int, seconds: float, headers: Mapping[str, str] | None = None
) -> Load:
    """Ask for ``paths`` in turn from ``clients`` connections of a process of their own.

    Args:
        url: the server.
        paths: of the requests.
        clients: connections at once.
        seconds: how long.
        headers: of every request.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(sender, url, list(paths), clients, seconds, dict(headers or {})))
    process.start()
    try:
        if not receiver.poll(seconds + 60):
            raise TimeoutError(f"no load came from {clients} clients")
        times, errors, took = receiver.recv()
    finally:
        process.join(10)
        process.kill()
    return Load(len(times) / took, percentile(times, 0.5), percentile(times, 0.95), errors)


def _run(sender: object, url: str, paths: list[str], clients: int, seconds: float, headers: dict[str, str]) -> None:
    times: list[float] = []
    errors: list[int] = []
    began = time.perf_counter()
    threads = [
        threading.Thread(target=_client, args=(url, paths[number:] + paths[:number], seconds, headers, times, errors))
        for number in (index * 7 % len(paths) for index in range(clients))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sender.send((times, len(errors), time.perf_counter() - began))  # type: ignore[attr-defined]  # a Connection


def _client(
    url: str, paths: list[str], seconds: float, headers: dict[str, str], times: list[float], errors: list[int]
) -> None:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "127.0.0.1", address.port, timeout=30)
    end = time.perf_counter() + seconds
    number = 0
    while time.perf_counter() < end:
        started = time.perf_counter()
        connection.request("GET", paths[number % len(paths)], headers=headers)
        answer = connection.getresponse()
        answer.read()
        times.append((time.perf_counter() - started) * 1000)
        if answer.status >= 300:
            errors.append(answer.status)
        number += 1
    connection.close()
