"""The logs that a center says it serves, its own first. Nothing here is believed yet."""

from __future__ import annotations

from dataclasses import dataclass

from capmart_core.errors import CapmartError, CenterUnavailable
from capmart_core.log import LogKey
from capmart_core.signing import PublicKey
from capmart_sdk.client import CenterInfo


@dataclass(frozen=True)
class Offer:
    """A log that a center serves.

    Attributes:
        log: path below the center's address.
        own: whether it is the center's own log; otherwise it is relayed.
    """

    origin: str
    key: PublicKey
    log: str
    own: bool


def offers(about: CenterInfo, *, url: str) -> list[Offer]:
    """Every log that a center serves, its own first.

    Args:
        about: what the center says of itself.
        url: the center's address, for messages.

    Raises:
        CenterUnavailable: a key does not parse, or is named for another origin.
    """
    own = _offer(about.origin, about.log_key, about.log, own=True, url=url)
    return [own, *(_offer(row.origin, row.log_key, row.log, own=False, url=url) for row in about.upstreams)]


def _offer(origin: str, log_key: str, log: str, *, own: bool, url: str) -> Offer:
    try:
        key = LogKey.parse(log_key)
    except CapmartError as error:
        raise CenterUnavailable(center=url, reason=f"its log key cannot be read: {error}") from error
    if key.name != origin:
        raise CenterUnavailable(center=url, reason=f"its log key is named {key.name}, not {origin}")
    return Offer(origin, key.public, log, own)
