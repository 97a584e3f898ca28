"""The center's settings: ``CAPMART_CENTER_…`` in the environment over ``center.toml`` in the data folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from capmart_core.errors import SettingsInvalid
from capmart_core.identifiers import check_namespace, check_origin
from capmart_core.text import Text

PREFIX = "CAPMART_CENTER_"
FILE = "center.toml"

Namespace = Annotated[str, AfterValidator(check_namespace)]


class CenterSettings(BaseSettings):
    """One running center. ``capmart center init`` writes the file; the environment overrides it."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    data: Annotated[Path, Field(description="folder with everything the center keeps")] = Path("center")
    origin: Annotated[
        str,
        AfterValidator(check_origin),
        Field(description="the center's stable name, also its log's name; never changes"),
    ]
    title_zh: Annotated[str, Field(min_length=1, max_length=200, description="name of the center in Chinese")]
    title_en: Annotated[str, Field(min_length=1, max_length=200, description="name of the center in English")]
    public_url: Annotated[
        str | None,
        Field(
            pattern=r"^https?://[^\s/]+$",
            description="address at which clients reach the center; the request's own when empty",
        ),
    ] = None
    listen_host: Annotated[str, Field(description="address to listen on")] = "127.0.0.1"
    listen_port: Annotated[int, Field(ge=1, le=65_535, description="TCP port to listen on")] = 8470
    processes: Annotated[int, Field(ge=1, le=64, description="serving processes")] = 1
    access_log: Annotated[bool, Field(description="write one log line per request")] = False
    database_url: Annotated[
        str | None, Field(description="SQLAlchemy address of the database; SQLite in the data folder when empty")
    ] = None
    blobs: Annotated[str, Field(description="driver of the blob store (entry points `capmart.blobs`)")] = "folder"
    runner: Annotated[
        str, Field(description="driver that runs components for the checks (entry points `capmart.runners`)")
    ] = "docker"
    process_namespaces: Annotated[
        tuple[Namespace, ...],
        Field(description="namespaces whose code is trusted to run without isolation where no engine answers"),
    ] = ()
    auto_approve: Annotated[
        tuple[Namespace, ...],
        Field(description="namespaces whose submissions are approved without a reviewer once no check blocks"),
    ] = ()
    max_blob_bytes: Annotated[int, Field(ge=1, description="largest blob, bytes")] = 16 * 1024**3
    max_manifest_bytes: Annotated[int, Field(ge=1, description="largest OCI manifest, bytes")] = 4 * 1024**2
    max_body_bytes: Annotated[int, Field(ge=1, description="largest body of an API request, bytes")] = 1024**2
    checkpoint_max_age_s: Annotated[
        int, Field(ge=1, description="the log's checkpoint is signed anew when older than this, seconds")
    ] = 600
    wait_max_s: Annotated[int, Field(ge=0, le=600, description="longest long poll, seconds")] = 60
    token_days: Annotated[int, Field(ge=1, le=3650, description="life of a token when none is asked for, days")] = 90
    session_hours: Annotated[int, Field(ge=1, le=720, description="life of a sign-in at the portal, hours")] = 12
    sync_interval_s: Annotated[
        float, Field(gt=0, description="pause between two attempts of the worker at each upstream, seconds")
    ] = 5.0

    @property
    def title(self) -> Text:
        """The center's name in both languages."""
        return Text(zh=self.title_zh, en=self.title_en)

    @property
    def database(self) -> str:
        """SQLAlchemy address of the database."""
        return self.database_url or f"sqlite:///{self.data.absolute() / 'center.db'}"

    @property
    def log_key_path(self) -> Path:
        """The private key that signs the log's checkpoints and the center's own statements."""
        return self.data / "keys" / "log.pem"

    @property
    def secret_path(self) -> Path:
        """Random bytes that authenticate short-lived cookies and ``/v2/`` bearers."""
        return self.data / "keys" / "secret"

    @property
    def blobs_path(self) -> Path:
        """Folder of the blob driver ``folder``."""
        return self.data / "blobs"

    @property
    def search_path(self) -> Path:
        """Folder of the search index."""
        return self.data / "search"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then the file in the data folder."""
        del dotenv_settings, file_secret_settings
        data = Path(str(init_settings().get("data") or env_settings().get("data") or "center"))
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=data / FILE)


def data_folder(given: Path | None = None) -> Path:
    """The data folder: the one given, else ``CAPMART_CENTER_DATA``, else ``./center``."""
    return given or Path(os.environ.get(f"{PREFIX}DATA") or "center")


def load_settings(data: Path | None = None, **overrides: Any) -> CenterSettings:
    """Read the settings of the center whose data folder is ``data`` (see :func:`data_folder`).

    Raises:
        SettingsInvalid: a value cannot work, or the folder was never initialised; names the first such setting.
    """
    folder = data_folder(data)
    try:
        return CenterSettings(data=folder, **overrides)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"]) or "settings"
        if (folder / FILE).exists():
            raise SettingsInvalid(name=name, reason=first["msg"]) from error
        raise SettingsInvalid(
            name=name,
            reason=f"{first['msg']}; there is no {folder / FILE}, run: capmart center init",
            reason_zh=f"没有文件 {folder / FILE}，请先运行：capmart center init（{first['msg']}）",
        ) from error
    except ValueError as error:  # not TOML
        raise SettingsInvalid(name=str(folder / FILE), reason=str(error)) from error
