"""Host names: which are ours, and which application each belongs to.

An application ``acme/supply-demand`` is at ``supply-demand--acme.localhost:PORT``: name, two hyphens, namespace, as one
DNS label, which browsers resolve to this machine (RFC 6761, section 6.3). Where two installed applications would share
a label, where it would be longer than 63 characters, or where its third and fourth characters would be hyphens, which
are reserved (RFC 5891, section 4.2.3.1), it is ``NAME-NAMESPACE-HASH`` instead, cut to fit, with the first eight
hexadecimal digits of the SHA-256 of the id.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections import Counter
from collections.abc import Iterable

from capmart_core.identifiers import ComponentId
from capmart_sdk.gateway.settings import GatewaySettings

LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")
_MAX_LABEL = 63
_HASH_DIGITS = 8
_HYPHENS = re.compile(r"-+")


def labels(components: Iterable[ComponentId]) -> dict[str, ComponentId]:
    """The DNS label of each application."""
    listed = sorted(components)
    shared = Counter(f"{component.name}--{component.namespace}" for component in listed)
    found: dict[str, ComponentId] = {}
    for component in listed:
        label = f"{component.name}--{component.namespace}"
        if shared[label] > 1 or len(label) > _MAX_LABEL or label[2:4] == "--":
            label = f"{component.name}-{component.namespace}"
            digits = hashlib.sha256(str(component).encode("ascii")).hexdigest()[:_HASH_DIGITS]
            short = _HYPHENS.sub("-", label)[: _MAX_LABEL - _HASH_DIGITS - 1].rstrip("-")
            label = f"{short}-{digits}"
        found[label] = component
    return found


def host_name(header: str) -> str | None:
    """The host of a Host header without its port, in lower case; None when it is not one."""
    text = header.strip().lower()
    name, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        name, port = text, ""
    if (colon and port and not port.isdigit()) or not name or any(letter in name for letter in " /\\@?#,"):
        return None
    return name.rstrip(".")


class Hosts:
    """The names that one gateway answers to. Any other is refused, so that no page can rebind its name to us.

    Args:
        settings: of the gateway.
    """

    def __init__(self, settings: GatewaySettings) -> None:
        own = {*LOCAL_NAMES, *(name.lower().rstrip(".") for name in settings.names)}
        if not _is_wildcard(settings.host):
            own.add(f"[{settings.host}]" if ":" in settings.host else settings.host.lower())
        self._own = frozenset(own)
        self._bases = frozenset(name for name in own if not _is_address(name))

    def is_gateway(self, host: str) -> bool:
        """Whether this is the gateway's own origin."""
        return host in self._own

    def label(self, host: str) -> str | None:
        """The application's label in a host name below one of ours; None when it is none."""
        label, dot, base = host.partition(".")
        return label if dot and base in self._bases else None


def _is_wildcard(host: str) -> bool:
    return host in {"", "0.0.0.0", "::"}  # noqa: S104  # recognised, not bound


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
