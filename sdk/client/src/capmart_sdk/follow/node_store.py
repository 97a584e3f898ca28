"""A node's store of followed logs: one SQLite file with what the logs say, what was refused and what went wrong."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from capmart_core.errors import CapmartError, StateConflict, StoreFull
from capmart_core.ledger import (
    KeyFact,
    NamespaceFact,
    ReleaseFact,
    ReleasePublished,
    Verdict,
    decode_release,
    encode_release,
)
from capmart_core.log import Frontier
from capmart_core.log.merkle import HASH_BYTES
from capmart_core.signing import PublicKey
from capmart_core.text import Language
from capmart_core.times import format_utc, now_utc, parse_utc
from capmart_core.versions import parse_version
from capmart_sdk.follow.ports import Batch, LogState

SCHEMA_VERSION = 1
BUSY_SECONDS = 30.0

_SCHEMA = """
CREATE TABLE fact_clock (one INTEGER PRIMARY KEY CHECK (one = 1), revision INTEGER NOT NULL);
INSERT INTO fact_clock VALUES (1, 0);
CREATE TABLE log (
    origin TEXT PRIMARY KEY, key TEXT NOT NULL, checkpoint BLOB NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL,
    at TEXT, cursor INTEGER NOT NULL, frontier BLOB NOT NULL
);
CREATE TABLE namespace (
    namespace TEXT PRIMARY KEY, home TEXT NOT NULL, organisation TEXT NOT NULL, granted_index INTEGER NOT NULL
);
CREATE TABLE publisher_key (
    namespace TEXT NOT NULL, keyid TEXT NOT NULL, key TEXT NOT NULL, added_index INTEGER NOT NULL, revoked_from INTEGER,
    PRIMARY KEY (namespace, keyid)
);
CREATE TABLE release (
    namespace TEXT NOT NULL, component TEXT NOT NULL, version TEXT NOT NULL, published INTEGER NOT NULL,
    state TEXT NOT NULL, fact TEXT NOT NULL,
    PRIMARY KEY (component, version)
);
CREATE INDEX release_namespace ON release (namespace);
CREATE TABLE refusal (
    origin TEXT NOT NULL, log_index INTEGER NOT NULL, component TEXT, version TEXT, code TEXT NOT NULL,
    zh TEXT NOT NULL, en TEXT NOT NULL, data TEXT NOT NULL, entry BLOB NOT NULL,
    PRIMARY KEY (origin, log_index)
);
CREATE INDEX refusal_about ON refusal (component, version);
CREATE TABLE alarm (
    origin TEXT NOT NULL, code TEXT NOT NULL, zh TEXT NOT NULL, en TEXT NOT NULL, data TEXT NOT NULL,
    first_at TEXT NOT NULL, last_at TEXT NOT NULL, times INTEGER NOT NULL,
    PRIMARY KEY (origin, code)
);
"""


@dataclass(frozen=True)
class Refusal:
    """A logged entry that does not count here.

    Attributes:
        component: it speaks of; None when that cannot be read.
        code: of the error.
        data: the error's values, as text.
        entry: the leaf, as proof.
    """

    origin: str
    index: int
    component: str | None
    version: str | None
    code: str
    zh: str
    en: str
    data: dict[str, str]
    entry: bytes

    def message(self, language: Language) -> str:
        """Why, in ``language``."""
        return self.zh if language == "zh" else self.en


@dataclass(frozen=True)
class Alarm:
    """Something that made following a log stop, or an entry that was refused; the last of its kind.

    Attributes:
        code: of the error.
        data: the error's values, as text; ``evidence`` names the folder with proofs where there are some.
        first_at: when it was first seen, UTC.
        last_at: when it was last seen, UTC.
        times: how often.
    """

    origin: str
    code: str
    zh: str
    en: str
    data: dict[str, str]
    first_at: datetime
    last_at: datetime
    times: int

    def message(self, language: Language) -> str:
        """What was wrong, in ``language``."""
        return self.zh if language == "zh" else self.en


class NodeStore:
    """Followed logs in one file. Safe to use from several threads and processes; a write that returned is durable.

    Args:
        path: the SQLite file; made with its folder when absent.

    Raises:
        StateConflict: a newer Capmart wrote the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._prepare()
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What a follower needs

    def state(self, origin: str) -> LogState | None:
        """How far a log was followed; None when it never was."""
        row = self._one("SELECT * FROM log WHERE origin = ?", origin)
        return None if row is None else _state(row)

    def origins(self) -> list[LogState]:
        """Every followed log, by origin."""
        return [_state(row) for row in self._all("SELECT * FROM log ORDER BY origin")]

    def revision(self) -> int:
        """Changes whenever a namespace, key or release changes."""
        row = self._one("SELECT revision FROM fact_clock")
        return int(row[0]) if row is not None else 0

    def wants(self, published: ReleasePublished) -> bool:  # noqa: ARG002  # part of the port
        """A node reads manifests from the packages it installs; it keeps none of the others."""
        return False

    def namespace(self, namespace: str) -> NamespaceFact | None:
        """The namespace, once a grant was seen."""
        row = self._one("SELECT * FROM namespace WHERE namespace = ?", namespace)
        return None if row is None else NamespaceFact(*row)

    def key(self, namespace: str, keyid: str) -> KeyFact | None:
        """A key of a namespace, also when it is revoked."""
        row = self._one("SELECT * FROM publisher_key WHERE namespace = ? AND keyid = ?", namespace, keyid)
        return None if row is None else KeyFact(*row)

    def release(self, component: str, version: str) -> ReleaseFact | None:
        """A release, also when only another center's act about it was seen (``published`` is None then)."""
        row = self._one("SELECT fact FROM release WHERE component = ? AND version = ?", component, version)
        return None if row is None else decode_release(row[0])

    def releases(self, namespace: str) -> list[ReleaseFact]:
        """Every release of a namespace."""
        return [decode_release(row[0]) for row in self._all("SELECT fact FROM release WHERE namespace = ?", namespace)]

    def apply(self, batch: Batch) -> None:
        """Commit the batch and its state in one transaction; one that was committed before is a no-op.

        Raises:
            StateConflict: the cursor or the revision is not the one that the batch rests on.
            StoreFull: no room; nothing was written.
        """
        with self._write():
            known = self.state(batch.origin)
            if known is not None and _superseded(batch.state, known):
                return
            if (known.cursor if known is not None else 0) != batch.start:
                raise StateConflict(
                    what=f"log of {batch.origin}",
                    state=f"applied up to {known.cursor if known is not None else 0}",
                    action="apply",
                    needed=f"applied up to {batch.start}",
                )
            if self.revision() != batch.revision:
                raise StateConflict(
                    what=str(self._path), state="changed meanwhile", action="apply", needed="as it was judged against"
                )
            self._write_facts(batch)
            for verdict in batch.verdicts:
                if verdict.refusal is not None:
                    self._write_refusal(batch.origin, verdict, verdict.refusal)
            self._write_state(batch.state)

    def evidence(self, origin: str) -> Path:
        """Folder for proofs that this log misbehaved, beside the file."""
        return self._path.parent / "evidence" / origin.replace("/", "_")

    def alarm(self, origin: str, error: CapmartError) -> None:
        """Keep that following this log was refused."""
        with self._write():
            self._write_alarm(origin, error)

    # What people and the installer ask

    def versions(self, component: str) -> list[ReleaseFact]:
        """The published releases of a component, highest version first, whatever their state."""
        rows = self._all("SELECT fact FROM release WHERE component = ? AND published", component)
        facts = [decode_release(row[0]) for row in rows]
        return sorted(facts, key=lambda fact: parse_version(fact.version), reverse=True)

    def refusals(self, component: str | None = None, version: str | None = None) -> list[Refusal]:
        """Refused entries: about one release, about one component, or all; oldest first."""
        rows = self._all(
            "SELECT origin, log_index, component, version, code, zh, en, data, entry FROM refusal "
            "WHERE (?1 IS NULL OR component = ?1) AND (?2 IS NULL OR version = ?2) ORDER BY origin, log_index",
            component,
            version,
        )
        return [_refusal(row) for row in rows]

    def alarms(self, origin: str | None = None) -> list[Alarm]:
        """What went wrong with one log, or with all, the latest first."""
        rows = self._all(
            "SELECT origin, code, zh, en, data, first_at, last_at, times FROM alarm "
            "WHERE ?1 IS NULL OR origin = ?1 ORDER BY last_at DESC, origin, code",
            origin,
        )
        return [_alarm(row) for row in rows]

    # Writing

    def _prepare(self) -> None:
        with self._write():
            version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
            if version > SCHEMA_VERSION:
                raise StateConflict(
                    what=str(self._path),
                    state=f"of schema {version}",
                    action="opening it",
                    needed=f"of schema {SCHEMA_VERSION} or less; a newer capmart wrote it",
                )
            if version == 0:
                for statement in _SCHEMA.strip().rstrip(";").split(";\n"):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _write_facts(self, batch: Batch) -> None:
        for space in batch.namespaces:
            row = (space.namespace, space.home, space.organisation, space.granted_index)
            self._db.execute("INSERT OR REPLACE INTO namespace VALUES (?, ?, ?, ?)", row)
        for key in batch.keys:
            values = (key.namespace, key.keyid, key.key, key.added_index, key.revoked_from)
            self._db.execute("INSERT OR REPLACE INTO publisher_key VALUES (?, ?, ?, ?, ?)", values)
        for fact in batch.releases:
            namespace = fact.component.partition("/")[0]
            encoded = encode_release(fact).decode("utf-8")
            self._db.execute(
                "INSERT OR REPLACE INTO release VALUES (?, ?, ?, ?, ?, ?)",
                (namespace, fact.component, fact.version, fact.published is not None, str(fact.state), encoded),
            )
        if batch.namespaces or batch.keys or batch.releases:
            self._db.execute("UPDATE fact_clock SET revision = revision + 1")

    def _write_refusal(self, origin: str, verdict: Verdict, error: CapmartError) -> None:
        component, version = verdict.about or (None, None)
        self._db.execute(
            "INSERT INTO refusal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                origin,
                verdict.index,
                component,
                version,
                error.code,
                error.message("zh"),
                error.message("en"),
                _data(error),
                verdict.data,
            ),
        )
        self._write_alarm(origin, error)

    def _write_alarm(self, origin: str, error: CapmartError) -> None:
        now = format_utc(now_utc())
        self._db.execute(
            "INSERT INTO alarm VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, 1) ON CONFLICT (origin, code) DO UPDATE "
            "SET zh = ?3, en = ?4, data = ?5, last_at = ?6, times = times + 1",
            (origin, error.code, error.message("zh"), error.message("en"), _data(error), now),
        )

    def _write_state(self, state: LogState) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                state.origin,
                str(state.key),
                state.checkpoint,
                state.size,
                state.root,
                format_utc(state.at) if state.at is not None else None,
                state.cursor,
                b"".join(state.frontier.hashes),
            ),
        )

    @contextmanager
    def _write(self) -> Iterator[None]:
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield
                    self._db.execute("COMMIT")
                except BaseException:
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
                    raise
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE):
                    raise StoreFull(store=str(self._path), reason=str(error)) from error
                raise

    def _one(self, query: str, *values: object) -> tuple[Any, ...] | None:
        with self._lock:
            row: tuple[Any, ...] | None = self._db.execute(query, values).fetchone()
            return row

    def _all(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(query, values).fetchall()


def _state(row: tuple[Any, ...]) -> LogState:
    origin, key, checkpoint, size, root, at, cursor, hashes = row
    parts = [hashes[place : place + HASH_BYTES] for place in range(0, len(hashes), HASH_BYTES)]
    return LogState(
        origin=origin,
        key=PublicKey.parse(key),
        checkpoint=checkpoint,
        size=size,
        root=root,
        at=parse_utc(at) if at is not None else None,
        frontier=Frontier(cursor, tuple(parts)),
    )


def _refusal(row: tuple[Any, ...]) -> Refusal:
    origin, index, component, version, code, zh, en, data, entry = row
    return Refusal(origin, index, component, version, code, zh, en, json.loads(data), entry)


def _alarm(row: tuple[Any, ...]) -> Alarm:
    origin, code, zh, en, data, first_at, last_at, times = row
    return Alarm(origin, code, zh, en, json.loads(data), parse_utc(first_at), parse_utc(last_at), times)


def _superseded(state: LogState, known: LogState) -> bool:
    """Whether what is known already has all that the state would bring."""
    at_least_as_new = state.at is None or (known.at is not None and known.at >= state.at)
    return known.cursor >= state.cursor and known.size >= state.size and at_least_as_new


def _data(error: CapmartError) -> str:
    return json.dumps({name: str(value) for name, value in error.data.items()}, ensure_ascii=False, sort_keys=True)
