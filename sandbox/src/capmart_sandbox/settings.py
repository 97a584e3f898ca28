"""The sandbox's settings: ``CAPMART_SANDBOX_…`` in the environment. README.md has the table."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from capmart_core.errors import InvalidIdentifier, SettingsInvalid
from capmart_core.identifiers import check_namespace

PREFIX = "CAPMART_SANDBOX_"
_MAX_RUN_DIR = 55  # a Unix socket's path has 107 bytes; the rest goes to the instance's folder and the file


def _cache_dir() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(home).expanduser() / "capmart" / "sandbox"


def _run_dir() -> Path:
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and len(runtime) < _MAX_RUN_DIR - 8 and Path(runtime).is_dir():
        return Path(runtime) / "capmart"
    return Path(f"/tmp/capmart-{os.getuid()}")  # noqa: S108 - made with mode 0700 and its owner checked


def _namespace(text: str) -> str:
    try:
        return check_namespace(text)
    except InvalidIdentifier as error:
        raise ValueError(error.message("en")) from error


class SandboxSettings(BaseSettings):
    """How this machine runs components."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    base_image: Annotated[
        str, Field(description="reference of the base image to pull; empty: build it from this machine's own Python")
    ] = ""
    build_base: Annotated[bool, Field(description="whether a base image may be built here when none can be pulled")] = (
        True
    )
    cache: Annotated[Path, Field(description="folder of unpacked wheels and of the build of the base image")] = Field(
        default_factory=_cache_dir
    )
    run_dir: Annotated[
        Path, Field(description="folder of the instances' sockets; short, because the path of a socket is")
    ] = Field(default_factory=_run_dir)
    runtime: Annotated[
        str, Field(description="OCI runtime of the engine, such as `runsc`; the engine's default when empty")
    ] = ""
    process_namespaces: Annotated[
        tuple[Annotated[str, AfterValidator(_namespace)], ...],
        NoDecode,
        Field(description="namespaces, comma-separated, whose code may run without isolation in the process runner"),
    ] = ()
    start_timeout_s: Annotated[
        float,
        Field(gt=0, le=600, description="time for a component's import, or for its first healthy answer, seconds"),
    ] = 10.0
    describe_timeout_s: Annotated[
        float, Field(gt=0, le=600, description="time to import a component and make its schemas while packing, seconds")
    ] = 60.0
    engine_timeout_s: Annotated[
        float, Field(gt=0, le=600, description="time for one answer of the engine, seconds")
    ] = 60.0
    generic_boxes: Annotated[
        int,
        Field(ge=0, le=64, description="boxes of each class of limits that a lasting process starts beforehand"),
    ] = 2
    kill_grace_ms: Annotated[
        int, Field(ge=10, le=10_000, description="how long after a deadline the host ends the whole box, milliseconds")
    ] = 250
    concurrency: Annotated[
        int, Field(ge=1, le=256, description="calls of one component that run at once, each in a box of its own")
    ] = 4
    running_calls: Annotated[
        int,
        Field(ge=1, le=4096, description="calls of all components that run at once, shared fairly among tenants"),
    ] = 32
    queue_timeout_s: Annotated[
        float,
        Field(
            gt=0,
            le=3600,
            description="how long a call waits for those before it, seconds; half its deadline at most",
        ),
    ] = 30.0
    idle_s: Annotated[
        float, Field(gt=0, le=86_400, description="how long a box beyond a component's first waits for calls, seconds")
    ] = 60.0
    log_kib: Annotated[int, Field(ge=1, le=1024, description="output kept of one call, KiB; more is counted")] = 64
    input_kib: Annotated[int, Field(ge=1, le=65_536, description="largest input of one call, KiB")] = 4096
    nofile: Annotated[int, Field(ge=64, le=65_536, description="open files in a box that runs actions")] = 256
    nofile_http: Annotated[int, Field(ge=64, le=65_536, description="open files in a box that serves HTTP")] = 2048
    unpacked_mib: Annotated[int, Field(ge=1, description="largest content of one wheel when unpacked, MiB")] = 4096

    @field_validator("process_namespaces", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("run_dir")
    @classmethod
    def _short_enough(cls, value: Path) -> Path:
        if len(str(value)) > _MAX_RUN_DIR:
            raise ValueError(f"the path has {len(str(value))} characters; a socket's leaves room for {_MAX_RUN_DIR}")
        return value

    @classmethod
    def load(cls) -> Self:
        """Read the environment.

        Raises:
            SettingsInvalid: a value cannot work.
        """
        try:
            return cls()
        except ValidationError as error:
            first = error.errors()[0]
            name = PREFIX + str(first["loc"][0]).upper()
            raise SettingsInvalid(name=name, reason=first["msg"]) from error
