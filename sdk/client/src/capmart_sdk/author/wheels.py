"""The wheels of a component: its own, built offline, and its locked third-party wheels, checked by hash."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from capmart_core.errors import InvalidPackage
from capmart_core.identifiers import Runtime
from capmart_core.manifest.problems import Problem, found
from capmart_core.package import WheelName, check_wheel, platform_tags
from capmart_core.text import Text
from capmart_sdk.author.lock import LOCK_FILE, LockedWheel

WHEELS_FOLDER = "wheels"
_EPOCH = "315532800"  # 1980-01-01, the earliest time that a zip can hold
_BUILD_S = 300
_FETCH_S = 900
_SHOWN = 600
_SHOWN_LINES = 2


class WheelProblem(Exception):  # noqa: N818 - carries problems to the one place that collects them
    """A wheel cannot be built, found or used.

    Attributes:
        problems: what to mend.
    """

    def __init__(self, *problems: Problem) -> None:
        super().__init__(*problems)
        self.problems = problems


def build_wheel(project: Path, folder: Path, module: str) -> Path:
    """Build the project's own wheel into ``folder``, offline, in a process of its own.

    The build backend is hatchling as installed beside Capmart. It reads the project's files and does not import them,
    unless the project has build hooks of its own, which are the author's and run on the author's machine.

    Args:
        project: folder with ``pyproject.toml``.
        folder: where to write the wheel.
        module: top-level module that must be in it.

    Raises:
        WheelProblem: it cannot be built, or lacks the module.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-I", "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    environment = {**_environment(), "SOURCE_DATE_EPOCH": _EPOCH, "PYTHONDONTWRITEBYTECODE": "1"}
    done = _run(command, project, environment, _BUILD_S)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        text = _end_of(done)
        expected = Text(en="a project that hatchling can build", zh="hatchling 可以构建的项目")
        raise WheelProblem(Problem("pyproject.toml", "", "build", expected, text))
    try:
        entries = check_wheel(wheels[0])
    except InvalidPackage as error:
        raise WheelProblem(_refused("pyproject.toml", "", error)) from error
    tops = {entry.filename.partition("/")[0].partition(".")[0] for entry in entries}
    if module not in tops:
        expected = Text(en=f"the module {module} in the wheel", zh=f"wheel 中含有模块 {module}")
        at, example = "tool.hatch.build.targets.wheel.packages", f'packages = ["src/{module}"]'
        was = found(", ".join(sorted(top for top in tops if not top.endswith("-info"))[:10]))
        raise WheelProblem(Problem("pyproject.toml", at, "module_missing", expected, was, example))
    return wheels[0]


def locked_wheels(project: Path, locked: Iterable[LockedWheel], runtime: Runtime, cache: Path) -> list[Path]:
    """The wheel files of a lock for one runtime, sorted by name, each with a hash that the lock names.

    They come from ``wheels/`` in the project where that folder exists, which needs no network; otherwise they are
    fetched once with pip, from wherever this machine's settings say, and kept in ``cache``.

    Raises:
        WheelProblem: one is missing, altered, or does not run on ``runtime``.
    """
    wanted = [wheel for wheel in locked if wheel.wanted_on(runtime)]
    if not wanted:
        return []
    folder = project / WHEELS_FOLDER
    if not folder.is_dir():
        folder = _fetched(wanted, runtime, cache)
    problems: list[Problem] = []
    files = []
    for wheel in wanted:
        result = _choose(wheel, folder, runtime)
        if isinstance(result, Problem):
            problems.append(result)
        else:
            files.append(result)
    if problems:
        raise WheelProblem(*problems)
    return sorted(files, key=lambda path: path.name)


def _choose(wheel: LockedWheel, folder: Path, runtime: Runtime) -> Path | Problem:
    """The one file of ``folder`` that stands for a line of the lock."""
    named = [path for path in sorted(folder.glob("*.whl")) if _is_named(path, wheel)]
    fitting = [path for path in named if WheelName.parse(path.name).fits(runtime)]
    good = [path for path in fitting if _sha256(path) in wheel.hashes]
    line = f"{wheel.project}=={wheel.version}"
    if not good:
        expected = Text(
            en=f"a wheel of {line} for {runtime} with a hash of the lock",
            zh=f"{line} 适用于 {runtime} 且哈希在锁文件中的 wheel",
        )
        was = [f"{path.name} (sha256:{_sha256(path)})" for path in fitting] or [path.name for path in named]
        text = found("; ".join(was)) if was else Text(en=f"none in {folder.name}/", zh=f"{folder.name}/ 中没有")
        return Problem(LOCK_FILE, wheel.project, "wheel_altered" if fitting else "wheel_missing", expected, text)
    try:
        check_wheel(good[0])
    except InvalidPackage as error:
        return _refused(LOCK_FILE, wheel.project, error)
    return good[0]


def _is_named(path: Path, wheel: LockedWheel) -> bool:
    try:
        name = WheelName.parse(path.name)
    except InvalidPackage:
        return False
    return (name.project, name.version) == (wheel.project, str(wheel.version))


def _fetched(wanted: list[LockedWheel], runtime: Runtime, cache: Path) -> Path:
    """A folder with the wheels of one lock for one runtime, named by both: once it is there it never changes."""
    lines = sorted(wheel.line() for wheel in wanted)
    key = hashlib.sha256("\n".join([str(runtime), *lines]).encode()).hexdigest()[:32]
    done = cache / key
    if done.is_dir():
        return done
    partial = cache / f".{key}.{secrets.token_hex(8)}"
    partial.mkdir(parents=True)
    try:
        requirements = partial / "requirements.txt"
        requirements.write_text("\n".join(lines) + "\n", "utf-8")
        pip = [sys.executable, "-I", "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
        strict = ["--no-deps", "--require-hashes", "--only-binary=:all:", "-r", str(requirements), "-d", str(partial)]
        done_run = _run([*pip, *strict, *_target(runtime)], partial, _environment(), _FETCH_S)
        if done_run.returncode != 0:
            text = _end_of(done_run)
            expected = Text(
                en=f"wheels that pip can fetch for {runtime}, or a folder {WHEELS_FOLDER}/ with them",
                zh=f"pip 可为 {runtime} 下载的 wheel，或含有它们的 {WHEELS_FOLDER}/ 目录",
            )
            raise WheelProblem(Problem(LOCK_FILE, "", "wheel_missing", expected, text))
        requirements.unlink()
        if not done.is_dir():
            partial.replace(done)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return done


def _target(runtime: Runtime) -> list[str]:
    version = f"3{runtime.minor}"
    abis = [f"--abi=cp{version}", "--abi=abi3", "--abi=none"]
    platforms = [f"--platform={tag}" for tag in platform_tags(runtime)] or ["--platform=any"]
    return [f"--python-version=3.{runtime.minor}", "--implementation=cp", *abis, *platforms]


def _environment() -> dict[str, str]:
    """This process's environment without what would change how Python starts."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}


def _run(
    command: list[str], folder: Path, environment: dict[str, str], limit_s: float
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=limit_s
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"it took longer than {limit_s:g} s")


def _end_of(done: subprocess.CompletedProcess[str]) -> Text:
    """The last lines of what a program said, where it says what was wrong."""
    lines = [line.strip() for line in (done.stderr.strip() or done.stdout.strip()).splitlines() if line.strip()]
    text = " / ".join(lines[-_SHOWN_LINES:])[-_SHOWN:] or f"exit {done.returncode}"
    return Text(en=text, zh=text)


def _refused(file: str, at: str, error: InvalidPackage) -> Problem:
    expected = Text(en="a wheel that can be unpacked safely", zh="可安全解包的 wheel")
    return Problem(file, at, "wheel_unsafe", expected, Text(en=error.message("en"), zh=error.message("zh")))


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
