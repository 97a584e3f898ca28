"""Times: UTC, to the second, spelled ``2026-01-31T08:30:00Z`` in every format."""

from __future__ import annotations

from datetime import UTC, datetime

_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def now_utc() -> datetime:
    """The current time in UTC, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


def format_utc(moment: datetime) -> str:
    """``moment`` as text."""
    return moment.astimezone(UTC).strftime(_FORMAT)


def parse_utc(value: object) -> datetime:
    """Read the one spelling; an aware ``datetime`` is taken as it is, to the second.

    Raises:
        ValueError: it is spelled otherwise or has no time zone.
    """
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("a time needs a time zone")
        return value.astimezone(UTC).replace(microsecond=0)
    if not isinstance(value, str):
        raise ValueError("a time is text like 2026-01-31T08:30:00Z")  # noqa: TRY004 - pydantic reports ValueError
    return datetime.strptime(value, _FORMAT).replace(tzinfo=UTC)
