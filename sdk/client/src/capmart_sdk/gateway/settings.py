"""What the operator of a gateway decides."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

TOKEN_VARIABLE = "CAPMART_GATEWAY_TOKEN"  # noqa: S105  # the name of a variable


@dataclass(frozen=True)
class GatewaySettings:
    """Where the gateway listens and what it lets through.

    Attributes:
        host: address to listen on.
        port: TCP port; 0 for any free one.
        names: further host names (or addresses) it is reached by; applications are at ``NAME--NS.`` below each name.
        token: what action calls must carry; made when None and ``host`` is not this machine alone.
        max_input_bytes: the largest input of an action.
        max_body_bytes: the largest request body that an application is given.
        app_timeout_s: seconds that an application may be silent while it answers.
    """

    host: str = "127.0.0.1"
    port: int = 8700
    names: tuple[str, ...] = ()
    token: str | None = None
    max_input_bytes: int = 4 * 1024 * 1024
    max_body_bytes: int = 64 * 1024 * 1024
    app_timeout_s: float = 600.0

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
