"""``component.lock``: the third-party wheels that a component brings, each named by version and hash.

The format is that of ``pip-compile --generate-hashes`` and ``uv pip compile --generate-hashes``: requirement lines with
``==`` and ``--hash=sha256:…``. Options are not allowed: where wheels come from is the machine's setting, not the
component's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from capmart_core.identifiers import Runtime
from capmart_core.manifest.problems import NOTHING, Problem, found
from capmart_core.text import Text

LOCK_FILE = "component.lock"
MAX_LOCK_BYTES = 4 << 20
GUEST = "capmart-component"
"""Part of every base image; never locked or shipped."""

_HASH = re.compile(r"--hash[= ](\S+)")
_SHA256 = re.compile(r"sha256:([0-9a-f]{64})")
_EXAMPLE = "numpy==2.1.0 --hash=sha256:…"


@dataclass(frozen=True)
class LockedWheel:
    """One requirement line.

    Attributes:
        project: canonical name.
        version: as written after ``==``.
        hashes: SHA-256 in hexadecimal, of every wheel that may stand for it.
        requirement: the requirement without hashes, with its marker.
    """

    project: str
    version: Version
    hashes: frozenset[str]
    requirement: Requirement

    def wanted_on(self, runtime: Runtime) -> bool:
        """Whether its marker holds there."""
        marker = self.requirement.marker
        return marker is None or marker.evaluate(environment_of(runtime))

    def line(self) -> str:
        """As pip reads it."""
        hashes = "".join(f" --hash=sha256:{digest}" for digest in sorted(self.hashes))
        return f"{self.project}=={self.version}{hashes}"


def environment_of(runtime: Runtime) -> dict[str, str]:
    """What environment markers see in a base image (PEP 508)."""
    version = f"3.{runtime.minor}"
    machine = next((name for name in ("x86_64", "aarch64") if runtime.platform.endswith(name)), "x86_64")
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{version}.0",
        "os_name": "posix",
        "platform_machine": machine,
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": f"{version}.0",
        "platform_python_implementation": "CPython",
        "python_version": version,
        "sys_platform": "linux",
    }


def read_lock(text: str) -> tuple[list[LockedWheel], list[Problem]]:
    """The lines of a lock and everything that is wrong with them."""
    wheels: list[LockedWheel] = []
    problems: list[Problem] = []
    for number, line in _logical_lines(text):
        result = _read_line(line, f"line {number}")
        if isinstance(result, Problem):
            problems.append(result)
        elif result.project != GUEST:
            wheels.append(result)
    return wheels, problems


def unlocked(requirements: Iterable[str], locked: Iterable[LockedWheel], runtime: Runtime) -> Iterator[Problem]:
    """The dependencies of ``pyproject.toml`` that the lock does not hold in a version they accept."""
    by_project = {wheel.project: wheel for wheel in locked if wheel.wanted_on(runtime)}
    for position, text in enumerate(requirements):
        at = f"project.dependencies[{position}]"
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            expected = Text(en="a requirement (PEP 508)", zh="依赖声明（PEP 508）")
            yield Problem("pyproject.toml", at, "requirement", expected, found(str(error)), "numpy>=2")
            continue
        if canonicalize_name(requirement.name) == GUEST:
            continue
        if requirement.marker is not None and not requirement.marker.evaluate(environment_of(runtime)):
            continue
        wheel = by_project.get(canonicalize_name(requirement.name))
        if wheel is None or not requirement.specifier.contains(wheel.version, prereleases=True):
            expected = Text(en=f"{requirement} in {LOCK_FILE}", zh=f"{LOCK_FILE} 中有 {requirement}")
            was = NOTHING if wheel is None else found(str(wheel.version))
            example = f"uv pip compile --generate-hashes pyproject.toml -o {LOCK_FILE}"
            yield Problem(LOCK_FILE, requirement.name, "not_locked", expected, was, example)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines without comments, those that end in a backslash joined, with the number of their first."""
    start, joined = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        start = start or number
        bare = "" if line.lstrip().startswith("#") else re.sub(r"\s#.*$", "", line)
        joined += bare.removesuffix("\\") + " "
        if not bare.endswith("\\"):
            if joined.strip():
                yield start, joined.strip()
            start, joined = 0, ""
    if joined.strip():
        yield start, joined.strip()


def _read_line(line: str, at: str) -> LockedWheel | Problem:
    if line.startswith("-"):
        expected = Text(
            en="requirements only; where wheels come from is a setting of this machine",
            zh="只写依赖；wheel 的来源由本机设置决定",
        )
        return Problem(LOCK_FILE, at, "lock_option", expected, found(line), _EXAMPLE)
    try:
        requirement = Requirement(_HASH.sub("", line).strip())
    except InvalidRequirement as error:
        expected = Text(en="a requirement with == and hashes", zh="带 == 与哈希的依赖行")
        return Problem(LOCK_FILE, at, "lock_line", expected, found(str(error).splitlines()[0]), _EXAMPLE)
    if canonicalize_name(requirement.name) == GUEST:
        return LockedWheel(GUEST, Version("0"), frozenset(), requirement)
    pins = [specifier for specifier in requirement.specifier if specifier.operator == "=="]
    try:
        version = Version(pins[0].version) if len(pins) == 1 and len(requirement.specifier) == 1 else None
    except InvalidVersion:
        version = None
    if version is None or requirement.url is not None:
        expected = Text(en="one exact version with ==", zh="用 == 指定唯一版本")
        return Problem(LOCK_FILE, at, "lock_version", expected, found(str(requirement)), _EXAMPLE)
    hashes = _HASH.findall(line)
    good = [match[1] for value in hashes if (match := _SHA256.fullmatch(value))]
    if not good or len(good) != len(hashes):
        expected = Text(en="--hash=sha256:… for every wheel", zh="每个 wheel 的 --hash=sha256:…")
        wrong = next((value for value in hashes if not _SHA256.fullmatch(value)), None)
        was = NOTHING if wrong is None else found(wrong)
        example = f"{requirement.name}=={version} --hash=sha256:…"
        return Problem(LOCK_FILE, at, "lock_unhashed", expected, was, example)
    return LockedWheel(canonicalize_name(requirement.name), version, frozenset(good), requirement)
