"""Where the things of one person lie on this machine: keys, tokens, the trusted centers and the default node."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from platformdirs import user_config_path

from capmart_core.errors import SettingsInvalid


@dataclass(frozen=True)
class Home:
    """The folder that ``CAPMART_HOME`` names, or the platform's place for settings (``~/.config/capmart`` on Linux).

    Attributes:
        root: the folder; made when something is first written.
    """

    root: Path

    @classmethod
    def default(cls) -> Self:
        """The one that the environment names.

        Raises:
            SettingsInvalid: ``CAPMART_HOME`` is a file.
        """
        named = os.environ.get("CAPMART_HOME")
        root = Path(named).expanduser().absolute() if named else user_config_path("capmart")
        if root.exists() and not root.is_dir():
            raise SettingsInvalid(name="CAPMART_HOME", reason=f"{root} is not a folder")
        return cls(root)

    @property
    def keys(self) -> Path:
        """Folder of private keys."""
        return self.root / "keys"

    @property
    def credentials(self) -> Path:
        """File of tokens, by center."""
        return self.root / "credentials.json"

    @property
    def trust(self) -> Path:
        """File of trusted centers and their log keys."""
        return self.root / "trust.json"

    @property
    def node(self) -> Path:
        """Folder of the node used when neither ``--node`` nor ``CAPMART_NODE`` names one."""
        return self.root / "node"

    @property
    def wheels(self) -> Path:
        """Folder of third-party wheels fetched for packing, by lock."""
        return self.root / "wheels"
