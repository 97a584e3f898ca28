"""Semantic versions and the ranges that dependencies ask for, a thin layer over :mod:`semver`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from semver import Version

from capmart_core.errors import InvalidRange, InvalidVersion

_MAX_LENGTH = 128
_PARTIAL = re.compile(r"(0|[1-9]\d{0,8})(?:\.(0|[1-9]\d{0,8}))?(?:\.(0|[1-9]\d{0,8}))?(-[0-9A-Za-z.-]+)?", re.ASCII)
_CLAUSE = re.compile(r"(\^|~|>=|<=|>|<|==|=)?\s*(\S+)")
_COMPARE: dict[str, Callable[[Version, Version], bool]] = {
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    "=": lambda a, b: a == b,
}


def parse_version(text: str) -> Version:
    """Read a semantic version. Build metadata (``+...``) is refused: it would give one version two spellings.

    Raises:
        InvalidVersion: it is not one.
    """
    if len(text) <= _MAX_LENGTH and "+" not in text:
        with suppress(ValueError, TypeError):
            version = Version.parse(text)
            if str(version) == text:  # semver.parse takes a trailing newline; a version has one spelling here
                return version
    raise InvalidVersion(value=text[:_MAX_LENGTH])


@dataclass(frozen=True)
class Range:
    """A set of versions: clauses joined by commas, all of which must hold.

    ``^1.2`` allows what keeps the left-most non-zero part, ``~1.2.3`` what keeps the minor version, ``*`` everything.
    A pre-release matches only when a clause names a pre-release of the same three numbers.
    """

    text: str
    clauses: tuple[tuple[str, Version], ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a range.

        Raises:
            InvalidRange: it is not one.
        """
        if len(text) > _MAX_LENGTH:
            raise InvalidRange(value=text[:_MAX_LENGTH], reason=f"longer than {_MAX_LENGTH} characters")
        if text.strip() == "*":
            return cls(text, ())
        clauses: list[tuple[str, Version]] = []
        for part in text.split(","):
            match = _CLAUSE.fullmatch(part.strip())
            if match is None:
                raise InvalidRange(value=text, reason=f"cannot read {part.strip()!r}")
            clauses.extend(_expand(text, match[1] or "=", match[2]))
        return cls(text, tuple(clauses))

    def matches(self, version: Version) -> bool:
        """Whether ``version`` is in the set."""
        if version.prerelease and not any(
            bound.prerelease and bound.to_tuple()[:3] == version.to_tuple()[:3] for _, bound in self.clauses
        ):
            return False
        return all(_COMPARE[operator](version, bound) for operator, bound in self.clauses)

    def best(self, versions: Iterable[Version]) -> Version | None:
        """The highest of ``versions`` in the set, or None."""
        return max(filter(self.matches, versions), default=None)

    def __str__(self) -> str:
        return self.text


def _expand(text: str, operator: str, bound: str) -> list[tuple[str, Version]]:
    match = _PARTIAL.fullmatch(bound)
    if match is None or (match[4] and match[3] is None):
        raise InvalidRange(value=text, reason=f"cannot read {bound!r}")
    given = [int(part) for part in match.groups()[:3] if part is not None]
    major, minor, patch = [*given, 0, 0][:3]
    low = _bound(text, f"{major}.{minor}.{patch}{match[4] or ''}")
    if operator == "^":
        kept = next((i for i, part in enumerate(given) if part), len(given) - 1)
        return [(">=", low), ("<", _raise_part(low, kept))]
    if operator == "~":
        return [(">=", low), ("<", _raise_part(low, min(1, len(given) - 1)))]
    if operator in ("=", "==") and len(given) < 3:
        return [(">=", low), ("<", _raise_part(low, len(given) - 1))]
    if operator in (">", "<=") and len(given) < 3:
        above = _raise_part(low, len(given) - 1)
        return [(">=", above)] if operator == ">" else [("<", above)]
    return [("=" if operator == "==" else operator, low)]


def _bound(text: str, bound: str) -> Version:
    try:
        return parse_version(bound)
    except InvalidVersion as error:
        raise InvalidRange(value=text, reason=f"cannot read {bound!r}") from error


def _raise_part(version: Version, part: int) -> Version:
    release = version.finalize_version()
    return (release.bump_major, release.bump_minor, release.bump_patch)[part]()
