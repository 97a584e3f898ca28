"""The others, as they are installed here; each is started on a port of its own and ended."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.processes import Process, free_port

_REGISTRY = """version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage:
  cache: {{blobdescriptor: inmemory}}
  filesystem: {{rootdirectory: {root}}}
  delete: {{enabled: true}}
http: {{addr: 127.0.0.1:{port}}}
"""


@contextmanager
def docker_registry(folder: Path) -> Iterator[str | None]:
    """Debian's ``docker-registry``; gives its address, or None where it is not installed."""
    program = shutil.which("docker-registry")
    if program is None:
        yield None
        return
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "registry.yml"
    settings.write_text(_REGISTRY.format(root=folder / "data", port=port), "utf-8")
    url = f"http://127.0.0.1:{port}"
    with Process([program, "serve", settings], log=folder / "registry.log") as process:
        process.wait_for_url(f"{url}/v2/")
        yield url


@contextmanager
def postgres() -> Iterator[str | None]:
    """A PostgreSQL of its own; gives its SQLAlchemy address, or None where it is not installed.

    As root it runs as its own user, so its folder is one that this user can reach.
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
        _run([*other, programs / "initdb", "-D", data, "-U", "app", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"])
        _run([*other, programs / "pg_ctl", "-D", data, "-w", "-l", log, "-o", options, "start"])
        try:
            yield f"postgresql+psycopg://app@127.0.0.1:{port}/postgres"
        finally:
            _run([*other, programs / "pg_ctl", "-D", data, "-w", "-m", "fast", "stop"])


def _run(command: list[str | Path]) -> None:
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
