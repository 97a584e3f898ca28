"""A center's folder served over HTTP by the real command."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from capmart_registry.settings import PREFIX
from tests.support.processes import CAPMART, Process, free_port


@dataclass(frozen=True)
class Served:
    """A serving center.

    Attributes:
        url: where it answers.
        pid: of its first process.
    """

    url: str
    pid: int

    def memory_mib(self) -> float:
        """Resident memory of the largest of its processes, MiB."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text("ascii").split()
        return max(_resident_mib(pid) for pid in (self.pid, *map(int, children)))


@contextmanager
def serve(folder: Path, origin: str, **settings: str) -> Iterator[Served]:
    """Serve it until the block ends.

    Args:
        folder: of the center.
        origin: its name.
        settings: by their names in the environment, without the prefix.
    """
    port = free_port()
    given = {"DATA": str(folder), "ORIGIN": origin, "TITLE_ZH": "中心", "TITLE_EN": "Center", "LISTEN_PORT": str(port)}
    environment = {**os.environ, **{f"{PREFIX}{name}": value for name, value in (given | settings).items()}}
    url = f"http://127.0.0.1:{port}"
    with Process([CAPMART, "center", "serve"], log=folder / "serve.log", env=environment) as process:
        process.wait_for_url(f"{url}/.well-known/capmart.json", timeout_s=60)
        yield Served(url, process.pid)


def _resident_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))
