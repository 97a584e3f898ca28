"""Settings of the sandbox: ``CAPMART_SANDBOX_…`` in the environment."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated

from platformdirs import user_cache_path
from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from capmart_core.errors import SettingsInvalid
from capmart_core.identifiers import check_namespace

PREFIX = "CAPMART_SANDBOX_"


def _namespaces(text: str) -> str:
    for name in filter(None, text.split(",")):
        check_namespace(name.strip())
    return text


class SandboxSettings(BaseSettings):
    """Where and how components run on this machine."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    base_image: Annotated[
        str,
        Field(description="reference of the base image to pull; built from this machine's own Python when empty"),
    ] = ""
    cache: Annotated[
        Path, NoDecode, Field(description="folder for unpacked wheels and unpacked images; may be deleted at any time")
    ] = Field(default_factory=lambda: user_cache_path("capmart") / "sandbox")
    process_namespaces: Annotated[
        str,
        AfterValidator(_namespaces),
        Field(description="namespaces, separated by commas, whose code is trusted to run without isolation"),
    ] = ""
    init_s: Annotated[float, Field(gt=0, le=600, description="time for a component's import or readiness, seconds")] = (
        20.0
    )
    engine_timeout_s: Annotated[
        float, Field(gt=0, le=3600, description="time for one answer of the engine, seconds")
    ] = 120.0

    @property
    def trusted_namespaces(self) -> frozenset[str]:
        """The parsed ``process_namespaces``."""
        return frozenset(name.strip() for name in self.process_namespaces.split(",") if name.strip())


def load_settings() -> SandboxSettings:
    """Read the environment.

    Raises:
        SettingsInvalid: a value cannot work; names the first such setting.
    """
    try:
        return SandboxSettings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = PREFIX + ".".join(str(part) for part in first["loc"]).upper()
        raise SettingsInvalid(name=name, reason=first["msg"]) from error


@cache
def guest_folder() -> Path:
    """Where the guest's sources lie in this installation."""
    return Path(__file__).parent / "guest"
