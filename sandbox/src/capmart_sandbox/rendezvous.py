"""The folder in which a host and a guest meet: the host listens, the guest dials in, and then nobody else can."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from capmart_core.errors import SettingsInvalid
from capmart_sandbox.owners import folder_is_orphaned, folder_prefix

_SOCKET = "hub.sock"
_POLL_S = 0.2


def private_folder(run_dir: Path) -> Path:
    """A new folder for one box, with a name that cannot be guessed.

    Raises:
        SettingsInvalid: ``run_dir`` is not this user's alone.
    """
    _own_folder(run_dir)
    folder = run_dir / (folder_prefix() + secrets.token_hex(6))
    folder.mkdir(mode=0o700)
    return folder


def sweep_folders(run_dir: Path) -> None:
    """Remove the folders of processes that are gone."""
    with suppress(OSError):
        for folder in run_dir.iterdir():
            if folder_is_orphaned(folder.name):
                shutil.rmtree(folder, ignore_errors=True)


class Rendezvous:
    """One instance's folder and the socket in it.

    The container's user is another one than ours, so the socket takes everybody who can reach it; the folder above is
    for this user alone, and the container sees only the inner folder, read-only, under a path of its own.
    """

    def __init__(self, run_dir: Path) -> None:
        self.folder = private_folder(run_dir)
        self.folder.chmod(0o755)  # whatever the umask
        self._path = self.folder / _SOCKET
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(self._path))
        self._path.chmod(0o666)
        self._listener.listen(1)

    def accept(self, timeout_s: float, alive: Callable[[], bool]) -> socket.socket:
        """Wait for the guest and close the door behind it.

        Raises:
            TimeoutError: it did not come.
            ConnectionError: it ended before it came.
        """
        end = time.monotonic() + timeout_s
        self._listener.settimeout(_POLL_S)
        while True:
            try:
                sock, _ = self._listener.accept()
            except TimeoutError:
                if not alive():
                    raise ConnectionError from None
                if time.monotonic() >= end:
                    raise
                continue
            self._listener.close()
            self._path.unlink(missing_ok=True)
            return sock

    def place(self, tree: Path, name: str) -> None:
        """Let the guest see ``tree`` as ``name`` in its folder: the same files where that can be, else copies."""
        shutil.copytree(tree, self.folder / name, copy_function=_link)

    def close(self) -> None:
        """Remove the folder."""
        self._listener.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Door:
    """The Unix socket on which clients of this machine reach an HTTP component.

    It is bound and listened on here, and the listening socket itself is handed to the guest: no writable mount, no
    byte through this process. It stays while boxes come and go, so that clients wait instead of failing.
    """

    def __init__(self, run_dir: Path) -> None:
        self.folder = private_folder(run_dir)
        self.path = self.folder / "app.sock"
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(self.path))
        self.path.chmod(0o600)
        self.listener.listen(128)

    def close(self) -> None:
        """Remove it."""
        self.listener.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _own_folder(path: Path) -> None:
    """Make ``path`` for this user alone.

    Raises:
        SettingsInvalid: it is somebody else's, or open to others: they could put their own socket in our place.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    facts = path.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid() or facts.st_mode & 0o077:
        raise SettingsInvalid(
            name="CAPMART_SANDBOX_RUN_DIR", reason=f"{path} must be a folder of this user alone (mode 0700)"
        )
