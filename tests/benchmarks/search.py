"""Searching a large catalog over HTTP, beside the same question to PostgreSQL's full text search."""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode

import psycopg
from psycopg import sql

from capmart_registry.search.text import index_terms, query_words
from capmart_registry.search.writer import SearchWriter
from capmart_registry.upstreams.filters import Filters
from capmart_registry.upstreams.store import RegistryStore
from capmart_sdk.follow import Follower
from tests.benchmarks.figures import Figure, Goal, percentile
from tests.benchmarks.load import load
from tests.benchmarks.serving import serve
from tests.support.crowd import MACHINES, TASKS, crowded_log, manifests
from tests.support.postgres import postgres
from tests.support.registry import SmallCenter

COMPONENTS = {"small": 10_000, "full": 100_000}
SECONDS = {"small": 4.0, "full": 10.0}
PEER_QUERIES = {"small": 40, "full": 200}
FACETS = ("kind", "industry", "scenario", "capability")
ORIGIN, HOME = "brain.motor.example", "center.zhejiang.example"


def measure(scale: str) -> list[Figure]:
    """Latency with one client, answers a second with as many as there are processors and more, memory."""
    count = COMPONENTS[scale]
    questions = [(words, chance) for words, chance in _questions(400)]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        with SmallCenter(root / "center", ORIGIN, namespace=False) as small:
            log = crowded_log(count, origin=HOME)
            Follower(HOME, log.signer.public, log, RegistryStore(small.center, Filters())).sync()
            SearchWriter(small.center.db, small.center.settings.search_path).rebuild()
        with postgres() as address:
            beside = _ask_postgres(address, count, questions[: PEER_QUERIES[scale]]) if address else []
        paths = [f"/api/v1/components?{urlencode(_parameters(*one))}" for one in questions]
        with serve(root / "center", ORIGIN) as served:
            load(served.url, paths, clients=1, seconds=1)
            alone = load(served.url, paths, clients=1, seconds=SECONDS[scale])
            memory = served.memory_mib()
        with serve(root / "center", ORIGIN, PROCESSES="2") as served:
            load(served.url, paths, clients=8, seconds=1)
            many = load(served.url, paths, clients=8, seconds=SECONDS[scale])
    if alone.errors or many.errors:
        raise RuntimeError(f"{alone.errors + many.errors} answers were no success")
    size = f"{count:,} components"
    peer = "PostgreSQL full text"
    return [
        Figure(
            f"search, {size}, p50",
            alone.p50_ms,
            "ms",
            percentile(beside, 0.5) if beside else None,
            peer,
            Goal(5, of="ours"),
        ),
        Figure(
            f"search, {size}, p95",
            alone.p95_ms,
            "ms",
            percentile(beside, 0.95) if beside else None,
            peer,
            Goal(20, of="ours"),
        ),
        Figure(f"search, {size}, 8 clients", many.rate, "/s", goal=Goal(500, "least", "ours")),
        Figure(f"memory of a serving process, {size}", memory, "MiB", goal=Goal(400, of="ours")),
    ]


def _questions(count: int) -> list[tuple[str, str | None]]:
    """One to three words in Chinese or English, every second with a facet chosen."""
    chance = random.Random(7)  # noqa: S311 - nothing secret
    made = []
    for number in range(count):
        machine, task = chance.choice(MACHINES), chance.choice(TASKS)
        language = number % 2
        words = [machine[language], task[language]][: 1 + number % 2]
        if number % 5 == 0:
            words.append(str(chance.randrange(1000)))
        made.append((" ".join(words), chance.choice(("knowledge", "tool", "application")) if number % 2 else None))
    return made


def _parameters(words: str, kind: str | None) -> dict[str, str]:
    return {"q": words} | ({} if kind is None else {"kind": kind})


def _ask_postgres(address: str, count: int, questions: list[tuple[str, str | None]]) -> list[float]:
    """Milliseconds for each question: twenty best by rank, how many there are, and the counts of four facets."""
    with psycopg.connect(f"{address}/postgres", autocommit=True) as connection:
        connection.execute(
            "create table doc (id text, kind text, industry text, scenario text, capability text, words tsvector)"
        )
        with connection.cursor().copy("copy doc from stdin") as copy:
            for value in manifests(count):
                texts = (*value["title"].values(), *value["summary"].values())
                terms = " ".join(f"'{term}'" for term in dict.fromkeys(index_terms(texts).split()))
                taxonomy = value["taxonomy"]
                facets = (taxonomy["industries"][0], taxonomy["scenarios"][0], taxonomy["capabilities"][0])
                copy.write_row((value["id"], value["kind"], *facets, terms))
        connection.execute("create index on doc using gin (words)")
        connection.execute("analyze doc")
        times = []
        for words, kind in questions:
            started = time.perf_counter()
            _ask_once(connection, words, kind)
            times.append((time.perf_counter() - started) * 1000)
    return times


def _ask_once(connection: psycopg.Connection[tuple[object, ...]], words: str, kind: str | None) -> None:
    terms = [term for word in query_words(words) for term in word.terms]
    query = " & ".join(f"'{term}'" for term in terms)
    where = sql.SQL("words @@ {query}::tsquery and {kind}").format(
        query=sql.Literal(query),
        kind=sql.SQL("true") if kind is None else sql.SQL("kind = {}").format(sql.Literal(kind)),
    )
    ranked = sql.SQL("select id from doc where {} order by ts_rank(words, {}::tsquery) desc limit 20")
    connection.execute(ranked.format(where, sql.Literal(query))).fetchall()
    connection.execute(sql.SQL("select count(*) from doc where {}").format(where)).fetchall()
    for facet in FACETS:
        counted = sql.SQL("select {0}, count(*) from doc where {1} group by {0}")
        connection.execute(counted.format(sql.Identifier(facet), where)).fetchall()
