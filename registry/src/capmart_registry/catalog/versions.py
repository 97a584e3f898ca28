"""Semantic versions as text that a database can sort."""

from __future__ import annotations

from collections.abc import Iterable

from semver import Version

from capmart_core.versions import parse_version


def sort_key(version: Version) -> str:
    """Text whose byte order is the precedence of semver 2.0.0 (clause 11).

    Numbers are preceded by their length, numeric identifiers come before others, and no pre-release comes last.
    """
    core = "".join(_number(part) for part in version.to_tuple()[:3])
    if not version.prerelease:
        return f"{core}~"
    parts = version.prerelease.split(".")
    return core + "!".join(f"0{_number(int(part))}" if part.isdigit() else f"1{part}" for part in parts)


def newest_first(versions: Iterable[str]) -> list[str]:
    """Versions as text, the highest first."""
    return sorted(versions, key=parse_version, reverse=True)


def _number(value: int | str | None) -> str:
    digits = str(value)
    return f"{len(digits):03d}{digits}"
