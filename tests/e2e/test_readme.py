"""The README's tour, as it stands there, in a shell."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.processes import CAPMART, REPOSITORY, Process, free_port

pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("engine")]

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_DEFAULT_PORT = "8470"


def tour(port: int) -> Iterator[str]:
    """The commands below the heading that begins the tour, with another port."""
    text = (REPOSITORY / "README.md").read_text("utf-8")
    chapter = text[text.index("## A component") : text.index("## Layout")]
    for block in _BLOCK.findall(chapter):
        for line in block.splitlines():
            yield line.removeprefix("$ ").replace(_DEFAULT_PORT, str(port))


def test_given_the_tour_of_the_readme_when_typed_in_then_every_command_does_what_it_says(tmp_path: Path) -> None:
    port = free_port()
    first, *commands = tour(port)
    assert first.startswith("make env && ")
    environment = {**os.environ, "CAPMART_LANG": "en", "CAPMART_CENTER_LISTEN_PORT": str(port), "PWD": str(tmp_path)}
    environment["PATH"] = f"{CAPMART.parent}:{environment['PATH']}"
    said: dict[str, str] = {}
    with ExitStack() as running:
        for command in commands:
            if command.startswith("export "):
                environment |= dict(word.split("=", 1) for word in shlex.split(_filled(command, tmp_path))[1:])
            elif command.endswith(" &"):
                name = command.split()[-2]
                process = Process(["bash", "-c", f"exec {command[:-2]}"], log=tmp_path / f"{name}.log", env=environment)
                running.enter_context(process)
                if name == "serve":
                    process.wait_for_url(f"http://127.0.0.1:{port}/.well-known/capmart.json", timeout_s=60)
            else:
                said[" ".join(command.split()[:3])] = _typed(command, environment, tmp_path)
    assert said["capmart publish measurements.tar"].count("listed")
    assert '"count": 3' in said["capmart call acme/measurements"]
    assert "acme/measurements@0.1.0" in said["capmart verify"]


def _filled(command: str, folder: Path) -> str:
    return command.replace("$PWD", str(folder))


def _typed(command: str, environment: dict[str, str], folder: Path) -> str:
    """Run it at a terminal where somebody answers yes to whatever is asked."""
    person, terminal = os.openpty()
    try:
        os.write(person, b"y\n")
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=folder,
            env=environment,
            stdin=terminal,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    finally:
        os.close(person)
        os.close(terminal)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout
