"""Following a log: what it costs in time, requests and bytes, beside a download of the same that verifies nothing."""

from __future__ import annotations

import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from capmart_core.signing import sign_statement
from capmart_registry.log import service as log_service
from capmart_registry.upstreams.filters import Filters
from capmart_registry.upstreams.store import RegistryStore
from capmart_sdk.follow import Follower, HttpLogSource, NodeStore
from tests.benchmarks.figures import Figure, Goal
from tests.benchmarks.serving import serve
from tests.support.crowd import crowded_log
from tests.support.registry import SmallCenter
from tests.support.simulated_log import statement

RELEASES = {"small": 2_000, "full": 10_000}
APPENDS = {"small": 500, "full": 5_000}
APPENDS_AT_ONCE = 250
PAGE = 1000
BRAIN, HOME = "brain.motor.example", "center.zhejiang.example"


def measure(scale: str) -> list[Figure]:
    """Entries a second into a center and into a node; requests and bytes of small updates; appends a second."""
    count = RELEASES[scale]
    log = crowded_log(count, origin=HOME)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        with SmallCenter(root / "brain", BRAIN, namespace=False) as brain:
            started = time.perf_counter()
            Follower(HOME, log.signer.public, log, RegistryStore(brain.center, Filters())).sync()
            applied = len(log.leaves) / (time.perf_counter() - started)
        with serve(root / "brain", BRAIN) as served:
            relayed = f"{served.url}/log/origins/{HOME}"
            began = time.perf_counter()
            with HttpLogSource(relayed) as source, NodeStore(root / "node.sqlite") as store:
                Follower(HOME, log.signer.public, source, store).sync()
            node = len(log.leaves) / (time.perf_counter() - began)
            beside = len(log.leaves) / _download(relayed, len(log.leaves))
        with SmallCenter(root / "province", HOME) as province:
            appended = _append(province, 0, APPENDS[scale])
            costs = _small_updates(province, root, APPENDS[scale])
    return [
        Figure(
            f"{count:,} releases with manifests into a center, verified",
            applied,
            "/s",
            goal=Goal(1000, "least", "ours"),
        ),
        Figure(
            f"{count:,} releases through a relay into a node, verified",
            node,
            "/s",
            beside,
            "plain download",
            Goal(100_000 / 90, "least", "ours"),
        ),
        Figure(
            f"appends, {APPENDS_AT_ONCE} in a transaction, signed and durable",
            appended,
            "/s",
            goal=Goal(1500, "least", "ours"),
        ),
        *costs,
    ]


def _download(url: str, count: int) -> float:
    """Seconds to fetch the same entries and manifests and look at none of them."""
    started = time.perf_counter()
    with httpx.Client(timeout=60, headers={"Accept-Encoding": "zstd"}) as client:
        for kind in ("entries", "bodies"):
            for start in range(0, count, PAGE):
                client.get(f"{url}/{kind}", params={"start": start, "limit": PAGE}).raise_for_status()
    return time.perf_counter() - started


def _append(province: SmallCenter, first: int, count: int) -> float:
    """Publications appended in a second; they are signed beforehand, as publishers do."""
    signed = [
        sign_statement(
            statement("publish", home=HOME, component=f"acme/a-{number}", config=f"sha256:{number:064x}"),
            province.publisher,
        )
        for number in range(first, first + count)
    ]
    started = time.perf_counter()
    for begin in range(0, count, APPENDS_AT_ONCE):
        with province.center.db.write() as session:
            for envelope in signed[begin : begin + APPENDS_AT_ONCE]:
                log_service.append(province.center, session, envelope)
    return count / (time.perf_counter() - started)


def _small_updates(province: SmallCenter, root: Path, appended: int) -> list[Figure]:
    """Requests and bytes, as counted at the socket, of a follower that is up to date and asks again."""
    figures = []
    with (
        serve(root / "province", HOME) as served,
        counted(served.url) as (url, count),
        HttpLogSource(f"{url}/log") as source,
        NodeStore(root / "follower.sqlite") as store,
    ):
        follower = Follower(HOME, province.center.signer.public, source, store)
        follower.sync()
        first = appended
        for name, more, requests, size in (
            ("no change", 0, 1, 1024),
            ("1 publish", 1, 2, 1536),
            ("100 publishes", 100, 3, 40 * 1024),
        ):
            if more:
                _append(province, first, more)
                first += more
            before = (count.requests, count.answered)
            follower.sync()
            asked, answered = count.requests - before[0], count.answered - before[1]
            figures.append(Figure(f"{name}: requests", asked, "", goal=Goal(requests, of="ours")))
            figures.append(Figure(f"{name}: answered", answered, "B", goal=Goal(size, of="ours")))
    return figures


class Count:
    """What passed a proxy.

    Attributes:
        requests: that were sent through it.
        answered: bytes that came back, headers included.
    """

    def __init__(self) -> None:
        self.requests = 0
        self.answered = 0


@contextmanager
def counted(url: str) -> Iterator[tuple[str, Count]]:
    """A proxy that counts; gives its address."""
    target = httpx.URL(url)
    count = Count()
    server = socket.create_server(("127.0.0.1", 0))

    def back(upstream: socket.socket, connection: socket.socket) -> None:
        while data := upstream.recv(65_536):
            count.answered += len(data)
            connection.sendall(data)

    def there(connection: socket.socket) -> None:
        with connection, socket.create_connection((target.host, target.port or 80)) as upstream:
            threading.Thread(target=back, args=(upstream, connection), daemon=True).start()
            while data := connection.recv(65_536):
                count.requests += data.count(b" HTTP/1.1\r\n")
                upstream.sendall(data)

    def accept() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=there, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}", count
    finally:
        server.close()
