from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from capmart_sdk.follow import Follower, HttpLogSource, LogSource, NodeStore
from tests.support.simulated_log import SimulatedLog

MakeFollower = Callable[..., Follower]


@pytest.fixture
def log() -> SimulatedLog:
    """A log with a namespace and five releases, signed."""
    made = SimulatedLog()
    made.open_namespace()
    made.publish_many(5)
    made.sign()
    return made


@pytest.fixture
def store(tmp_path: Path) -> Iterator[NodeStore]:
    with NodeStore(tmp_path / "node" / "logs.sqlite") as opened:
        yield opened


@pytest.fixture
def source(log: SimulatedLog) -> Iterator[HttpLogSource]:
    """The log over real HTTP."""
    with log.serving() as url, HttpLogSource(url) as made:
        yield made


@pytest.fixture
def follower(log: SimulatedLog, source: LogSource, store: NodeStore) -> MakeFollower:
    """Makes a follower of the log; keyword arguments replace its defaults."""

    def make(**changed: object) -> Follower:
        given = {"origin": log.origin, "key": log.signer.public, "source": source, "store": store, **changed}
        return Follower(**given)  # type: ignore[arg-type]  # the caller replaces arguments by name

    return make
