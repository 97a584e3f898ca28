"""Check ``version``: versions of a component only go up."""

from __future__ import annotations

from collections.abc import Iterator

from capmart_core.hooks import hookimpl
from capmart_core.text import Text
from capmart_core.versions import parse_version
from capmart_registry.hooks.subject import CheckSubject, Finding

_FILE = "capmart.toml"


@hookimpl
def capmart_check(subject: CheckSubject) -> Iterator[Finding]:
    """Higher than every version of the line that it continues.

    A line is what has the same major and minor number. A version that continues an older line (a fix of 1.2 when 1.3 is
    out) is allowed and pointed out; one that would open a line below the highest version is refused.
    """
    mine = parse_version(subject.statement.version)
    others = [parse_version(known.version) for known in subject.catalog.releases(subject.statement.component)]
    highest = max(others, default=None)
    if highest is None or mine > highest:
        return
    line = [other for other in others if other.to_tuple()[:2] == mine.to_tuple()[:2]]
    if line and mine > max(line):
        yield Finding(
            severity="warning",
            file=_FILE,
            rule="version_continues_old_line",
            message=Text(
                zh=f"{mine} 是对 {mine.major}.{mine.minor} 系列的延续，低于已上架的最高版本 {highest}",
                en=f"{mine} continues line {mine.major}.{mine.minor}, below the highest listed version {highest}",
            ),
            next=Text(
                zh="确认这是对旧系列的修订；否则请使用更高的版本号",
                en="Make sure that this is a fix of the older line; otherwise use a higher version",
            ),
        )
        return
    floor = max(line, default=highest)
    yield Finding(
        severity="error",
        file=_FILE,
        rule="version_order",
        message=Text(
            zh=f"版本 {mine} 不高于已上架的 {floor}",
            en=f"version {mine} is not higher than {floor}, which is listed",
        ),
        next=Text(
            zh=f"把 [component] version 提高到 {highest.bump_patch()} 或以上，然后重新打包并提交",
            en=f"Raise [component] version to {highest.bump_patch()} or above, then pack and submit again",
        ),
    )
