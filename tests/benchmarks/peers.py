"""The others, as they are installed here; each is started on a port of its own and ended."""

from __future__ import annotations

import shutil
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
