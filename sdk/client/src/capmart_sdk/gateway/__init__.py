"""The gateway: installed actions as HTTP endpoints, and each application on an origin of its own."""

from capmart_sdk.gateway.app import Gateway, build_gateway
from capmart_sdk.gateway.server import serve
from capmart_sdk.gateway.settings import TOKEN_VARIABLE, GatewaySettings

__all__ = ["TOKEN_VARIABLE", "Gateway", "GatewaySettings", "build_gateway", "serve"]
