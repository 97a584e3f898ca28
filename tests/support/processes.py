"""Real processes for tests and for the journey: started in a group of their own, ended with all they started."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

REPOSITORY = Path(__file__).resolve().parents[2]
CAPMART = Path(sys.executable).with_name("capmart")
_LOG_TAIL = 4000


class NotReadyError(RuntimeError):
    """A process ended or stayed silent instead of becoming ready; carries the end of its log."""


def free_port() -> int:
    """A TCP port of the loopback interface that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Process:
    """One program running beside the test, in a process group of its own.

    Args:
        command: the program and its arguments.
        log: file that receives its stdout and stderr.
        env: its whole environment; this process's when None.
    """

    def __init__(self, command: Sequence[str | Path], *, log: Path, env: Mapping[str, str] | None = None) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log = log
        self.command = [str(part) for part in command]
        with log.open("ab") as out:
            self._popen = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=None if env is None else dict(env),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its process id, which is also its group's."""
        return self._popen.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._popen.poll() is None

    def log_tail(self) -> str:
        """The end of what it wrote."""
        return self.log.read_text("utf-8", "replace")[-_LOG_TAIL:] if self.log.exists() else ""

    def wait_until(self, ready: Callable[[], bool], *, timeout_s: float = 30.0) -> Self:
        """Return once ``ready`` says so.

        Raises:
            NotReadyError: the process ended first, or the time was up.
        """
        end = time.monotonic() + timeout_s
        while not ready():
            if not self.running:
                raise NotReadyError(f"{self.command} ended with {self._popen.returncode}:\n{self.log_tail()}")
            if time.monotonic() > end:
                raise NotReadyError(f"{self.command} was not ready after {timeout_s} s:\n{self.log_tail()}")
            time.sleep(0.02)
        return self

    def wait_for_url(self, url: str, *, timeout_s: float = 30.0) -> Self:
        """Return once ``url`` answers with a success."""
        return self.wait_until(lambda: _answers(url), timeout_s=timeout_s)

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait for its end and return its exit code."""
        return self._popen.wait(timeout_s)

    def kill(self) -> None:
        """SIGKILL to it and all of its group, as a power cut would."""
        self._signal_group(signal.SIGKILL)
        self._popen.wait()

    def stop(self, timeout_s: float = 10.0) -> None:
        """SIGTERM, then SIGKILL to what remains of its group; stopping twice is harmless."""
        if self.running:
            self._popen.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._popen.wait(timeout_s)
        self._signal_group(signal.SIGKILL)
        self._popen.wait()

    def _signal_group(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._popen.pid, number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 -- loopback addresses made by the caller
            return bool(200 <= answer.status < 300)
    except (urllib.error.URLError, OSError):
        return False
