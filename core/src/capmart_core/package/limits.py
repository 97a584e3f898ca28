"""How large a package may be."""

from __future__ import annotations

from dataclasses import dataclass, field

from capmart_core.package.wheels import WheelLimits


@dataclass(frozen=True)
class PackageLimits:
    """The most that one package may hold.

    Attributes:
        entries: files in the tar.
        bytes: of the tar.
        wheel: of each wheel, looked at before anything is installed.
    """

    entries: int = 20_000
    bytes: int = 8 << 30
    wheel: WheelLimits = field(default_factory=WheelLimits)


DEFAULT_LIMITS = PackageLimits()
