"""The logs that a node follows through one center, and what it believes after that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from capmart_core.errors import FingerprintMismatch, OriginNotTrusted
from capmart_sdk.client import CenterClient
from capmart_sdk.follow import Follower, HttpLogSource, NodeStore
from capmart_sdk.trust import Offer, TrustStore, offers

OnSynced = Callable[[str, int, int], None]
"""Told of each log that was followed: origin, entries known before, entries known now."""


@dataclass(frozen=True)
class Sources:
    """What one center served.

    Attributes:
        center: its own origin.
        logs: where each trusted log is served, by origin.
        untrusted: logs that it relays and that nobody here said to trust; nothing of them is used.
    """

    center: str
    logs: dict[str, HttpLogSource]
    untrusted: dict[str, Offer]


@contextmanager
def follow_center(
    client: CenterClient, trust: TrustStore, store: NodeStore, on_synced: OnSynced | None = None
) -> Iterator[Sources]:
    """Bring the store up to date with every trusted log that a center serves: its own, and those it relays.

    Raises:
        OriginNotTrusted: the center itself is not trusted here.
        FingerprintMismatch: it shows another key than the one that is trusted.
        LogRollback, LogFork, LogFrozen, LogCorrupt, SignatureInvalid: a log cannot be believed; nothing was applied.
    """
    served = offers(client.about(), url=client.url)
    logs: dict[str, HttpLogSource] = {}
    untrusted: dict[str, Offer] = {}
    for offer in served:
        trusted = trust.get(offer.origin)
        if trusted is None:
            untrusted[offer.origin] = offer
        elif trusted.key != str(offer.key):
            raise FingerprintMismatch(
                origin=offer.origin, actual=offer.key.fingerprint, expected=trusted.public.fingerprint
            )
        else:
            logs[offer.origin] = HttpLogSource(client.url + offer.log, client.http.raw)
    if served[0].origin in untrusted:
        raise not_trusted(served[0], client.url)
    for origin, source in logs.items():
        trusted = trust.get(origin)
        if trusted is not None:
            known = store.state(origin)
            state = Follower(origin, trusted.public, source, store).sync()
            if on_synced is not None:
                on_synced(origin, known.size if known else 0, state.size)
    yield Sources(served[0].origin, logs, untrusted)


def not_trusted(offer: Offer, url: str) -> OriginNotTrusted:
    """The error for a log that nobody here said to trust."""
    return OriginNotTrusted(origin=offer.origin, fingerprint=offer.key.fingerprint, url=url)
