from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import inspect, text

from capmart_core.signing import Ed25519Signer
from capmart_registry.accounts import service as accounts
from capmart_registry.accounts.principal import Role, Scope, scopes_of
from tests.support.postgres import SERVER, postgres
from tests.support.processes import CAPMART, Process, free_port
from tests.support.registry import SmallCenter

ON_BOTH = {"accounts", "catalog", "database", "log", "submissions", "upstreams"}
"""Folders whose tests run on SQLite and on PostgreSQL."""

ON_ONE = {"test_centers.py"}
"""Of those, what kills processes for a minute; on PostgreSQL the store's own kill loop does."""

PASSWORD = "correct horse battery"


class Served:
    """A center with a real server over its folder; organisations ``acme`` and ``globex`` own namespaces of those names.

    Attributes:
        small: the same center without HTTP.
        url: where it listens.
        owner: secret of a token of ``acme``'s developer, with every scope of a developer.
        stranger: likewise of ``globex``'s.
        reviewer: of the operator's reviewer.
    """

    def __init__(self, folder: Path, **settings: str) -> None:
        self.small = SmallCenter(folder)
        self.center = self.small.center
        self.small.open_namespace("globex", Ed25519Signer.generate(), organisation="globex")
        with self.center.db.write() as session:
            for name in ("acme", "globex", "operator"):
                accounts.create_organisation(session, name, title_zh=name, title_en=name)
        self.owner = self.token("dev", "developer", "acme")
        self.stranger = self.token("eve", "developer", "globex")
        self.reviewer = self.token("judge", "reviewer", "operator")
        self.admin = self.token("root", "admin", "operator")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        given = {
            "DATA": str(folder),
            "ORIGIN": self.small.origin,
            "TITLE_ZH": "测试中心",
            "TITLE_EN": "Test center",
            "LISTEN_PORT": str(self.port),
            **settings,
        }
        self._env = {**os.environ, **{f"CAPMART_CENTER_{name}": value for name, value in given.items()}}
        self.server: Process | None = None

    @property
    def log(self) -> Path:
        """What the server wrote."""
        return self.small.folder / "serve.log"

    def start(self) -> None:
        self.server = Process([CAPMART, "center", "serve"], log=self.log, env=self._env)
        self.server.wait_for_url(f"{self.url}/.well-known/capmart.json", timeout_s=60)

    def kill(self) -> None:
        assert self.server is not None
        self.server.kill()

    def close(self) -> None:
        if self.server is not None:
            self.server.stop()
        self.center.close()

    def token(
        self,
        account: str,
        role: Role,
        organisation: str,
        *,
        scopes: frozenset[Scope] | None = None,
        life: timedelta = timedelta(hours=1),
    ) -> str:
        """The secret of a new token; its account is made, with a password, when it is missing."""
        with self.center.db.write() as session:
            try:
                owner = accounts.account(session, account)
            except Exception:  # noqa: BLE001 - not there yet
                owner = accounts.create_account(
                    session, account, organisation_name=organisation, roles=[role], password=PASSWORD
                )
            chosen = scopes if scopes is not None else scopes_of(frozenset({role}))
            _, secret = accounts.create_token(session, self.center, owner, scopes=chosen, label="test", life=life)
        return secret

    def client(self, token: str | None = None) -> httpx.Client:
        """A connection of somebody's."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60)

    def bearer(self, auth: tuple[str, str] | None = None) -> str:
        """What the token flow of ``/v2/`` gives."""
        answer = httpx.get(f"{self.url}/v2/token", auth=auth, timeout=60)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["token"])

    def in_database(self, secret: str) -> bool:
        """Whether a text lies anywhere in the database: in SQLite's files, in PostgreSQL's rows."""
        if not self.center.db.is_sqlite:
            tables = inspect(self.center.db.engine).get_table_names()
            with self.center.db.read() as session:
                return any(
                    secret in str(row)
                    for table in tables
                    for row in session.connection().execute(text(f'SELECT "{table}"::text FROM "{table}"'))  # noqa: S608
                )
        with sqlite3.connect(self.small.folder / "center.db") as connection:
            connection.execute("PRAGMA wal_checkpoint(FULL)")
        found = [path.read_bytes() for path in self.small.folder.glob("center.db*")]
        return any(secret.encode() in data for data in found)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What a center does to its database is tested on both kinds."""
    path = metafunc.definition.path
    chosen = any(mark.args[0] == "database" for mark in metafunc.definition.iter_markers("parametrize"))
    if not chosen and path.parent.name in ON_BOTH and path.name not in ON_ONE:
        metafunc.parametrize("database", ["sqlite", "postgresql"], indirect=True, scope="module")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A PostgreSQL server for the whole run."""
    with postgres(durable=False) as address:
        if address is None:
            pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
        yield address


@pytest.fixture(scope="module", autouse=True)
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """The kind of database that centers made in this module have."""
    kind: str = getattr(request, "param", "sqlite")
    with pytest.MonkeyPatch.context() as patch:
        if kind == "postgresql":
            patch.setenv(SERVER, request.getfixturevalue("postgres_server"))
        yield kind


@pytest.fixture(scope="module")
def served(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A center of the module's own, served."""
    del database
    made = Served(tmp_path_factory.mktemp("served") / "center")
    try:
        made.start()
        yield made
    finally:
        made.close()


@pytest.fixture
def owner(served: Served) -> Iterator[httpx.Client]:
    """The developer of ``acme``."""
    with served.client(served.owner) as client:
        yield client


@pytest.fixture
def stranger(served: Served) -> Iterator[httpx.Client]:
    """The developer of ``globex``."""
    with served.client(served.stranger) as client:
        yield client


@pytest.fixture
def nobody(served: Served) -> Iterator[httpx.Client]:
    """Somebody who does not sign in."""
    with served.client() as client:
        yield client
