"""A real center beside the test: its own folder, a serving process, a worker, and the people who work there."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import httpx

from tests.support.postgres import database_of
from tests.support.processes import CAPMART, Process, free_port

START_S = 60.0


class CommandFailedError(RuntimeError):
    """A ``capmart`` command ended with another exit code than expected; carries what it printed."""


def capmart(
    *arguments: str | Path,
    env: Mapping[str, str],
    given: str | None = None,
    expect: int | None = 0,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run the real command line.

    Args:
        arguments: after ``capmart``.
        env: its environment, over this process's.
        given: its standard input.
        expect: the exit code it must have; None for any.
        cwd: its working folder.
    """
    done = subprocess.run(
        [str(CAPMART), *map(str, arguments)],
        env={**os.environ, **env},
        input=given,
        stdin=subprocess.DEVNULL if given is None else None,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=cwd,
    )
    if expect is not None and done.returncode != expect:
        said = f"{done.stdout}\n{done.stderr}".strip()
        raise CommandFailedError(f"capmart {' '.join(map(str, arguments))}: exit {done.returncode}\n{said}")
    return done


class RunningCenter:
    """One center.

    Attributes:
        origin: its stable name.
        url: where it listens.
        fingerprint: of its log key.
        admin_token: of its first administrator, with every scope.
        admin_password: likewise, for the portal.
    """

    def __init__(self, folder: Path, origin: str, made: Mapping[str, str], port: int, env: Mapping[str, str]) -> None:
        self.folder = folder
        self.origin = origin
        self.url = f"http://127.0.0.1:{port}"
        self.fingerprint = made["fingerprint"]
        self.admin_token = made["token"]
        self.admin_password = made["password"]
        self.env = {**env, "CAPMART_CENTER_DATA": str(folder)}
        self.server: Process | None = None
        self.worker: Process | None = None
        self._organisations: set[str] = set()

    @classmethod
    def make(
        cls, folder: Path, origin: str, *, title_zh: str, title_en: str, env: Mapping[str, str] | None = None
    ) -> Self:
        """``capmart center init`` in a new folder; nothing runs yet.

        Args:
            folder: of the center.
            origin: its stable name.
            title_zh: its name in Chinese.
            title_en: its name in English.
            env: settings of its processes.
        """
        port = free_port()
        options = ["--origin", origin, "--title-zh", title_zh, "--title-en", title_en, "--port", str(port), "--json"]
        database = database_of(folder)
        if database is not None:
            options += ["--database-url", database]
        done = capmart("center", "init", "--data", folder, *options, env=env or {})
        return cls(folder, origin, json.loads(done.stdout), port, env or {})

    def start(self, *, worker: bool = True) -> Self:
        """Serve, and work unless told otherwise; returns when it answers."""
        environment = {**os.environ, **self.env}
        self.server = Process([CAPMART, "center", "serve"], log=self.folder / "serve.log", env=environment)
        if worker:
            self.worker = Process([CAPMART, "center", "worker"], log=self.folder / "worker.log", env=environment)
        self.server.wait_for_url(f"{self.url}/.well-known/capmart.json", timeout_s=START_S)
        return self

    def stop(self) -> None:
        """End both processes; stopping twice is harmless."""
        for process in (self.worker, self.server):
            if process is not None:
                process.stop()

    def __enter__(self) -> Self:
        return self if self.server is not None else self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def operate(self, *arguments: str | Path, given: str | None = None) -> str:
        """``capmart center …`` as its operator; returns what it printed."""
        return capmart("center", *arguments, env=self.env, given=given).stdout

    def add_account(self, name: str, *, org: str, role: str, password: str, scopes: tuple[str, ...]) -> str:
        """An account of an organisation, made when it is missing, and a token of it."""
        if org not in self._organisations:
            self.operate("org", "add", org, "--title-zh", org, "--title-en", org)
            self._organisations.add(org)
        chosen = [part for scope in scopes for part in ("--scope", scope)]
        options = ("--org", org, "--role", role, *chosen)
        return self.operate("account", "add", name, *options, given=f"{password}\n").strip()

    def api(self, method: str, path: str, *, token: str | None = None, body: Any = None, expect: int = 200) -> Any:
        """One request to its interface; the answer's JSON."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        answer = httpx.request(method, f"{self.url}{path}", headers=headers, json=body, timeout=30)
        assert answer.status_code == expect, f"{method} {path}: {answer.status_code} {answer.text[:2000]}"
        return answer.json() if answer.content else None

    def api_text(self, path: str) -> str:
        """What it answers to anybody, as text."""
        return httpx.get(f"{self.url}{path}", timeout=30).raise_for_status().text
