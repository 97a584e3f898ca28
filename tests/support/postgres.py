"""A real PostgreSQL of one's own, and databases in it for the centers of tests."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from tests.support.processes import free_port

SERVER = "CAPMART_TEST_POSTGRES"
"""Environment: address of the server in which the centers made now have their databases; SQLite where it is missing."""


@contextmanager
def postgres(*, durable: bool = True) -> Iterator[str | None]:
    """A server; gives its address, or None where PostgreSQL is not installed.

    As root it runs as its own user, so its folder is one that this user can reach.

    Args:
        durable: whether a commit waits for the disk; a test that only kills programs need not.
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    if not found:
        yield None
        return
    programs, port = found[-1].parent, free_port()
    with tempfile.TemporaryDirectory() as folder:
        other: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
            other = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
        data, log = f"{folder}/db", f"{folder}/log"
        options = f"-c listen_addresses=127.0.0.1 -p {port} -k {folder}"
        options += "" if durable else " -c fsync=off -c max_connections=200"
        made = ["-U", "app", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        _run([*other, programs / "initdb", "-D", data, *made])
        _run([*other, programs / "pg_ctl", "-D", data, "-w", "-l", log, "-o", options, "start"])
        try:
            yield f"postgresql://app@127.0.0.1:{port}"
        finally:
            _run([*other, programs / "pg_ctl", "-D", data, "-w", "-m", "fast", "stop"])


def database_of(folder: Path) -> str | None:
    """Address of the database of the center in ``folder``, made when it is missing; None where SQLite is meant."""
    server = os.environ.get(SERVER)
    if not server:
        return None
    name = "center_" + hashlib.sha256(str(folder).encode()).hexdigest()[:20]
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return f"{server}/{name}"


def _run(command: list[str | Path]) -> None:
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
