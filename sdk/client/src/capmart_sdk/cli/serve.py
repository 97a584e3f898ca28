"""``capmart serve``: the gateway."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from capmart_core.errors import CapmartError
from capmart_sdk.cli.options import NodeDir
from capmart_sdk.console import language, out, say, t, warn
from capmart_sdk.gateway import TOKEN_VARIABLE, GatewaySettings, build_gateway, serve
from capmart_sdk.node import Node


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "serve",
        help=t(
            "Serve every installed action over HTTP, and each application on an origin of its own",
            "以 HTTP 提供全部已安装动作，每个应用使用独立的来源地址",
        ),
    )(serve_node)


def serve_node(
    node: NodeDir = None,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help=t("Address to listen on", "监听地址"))] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help=t("Port; 0 for any free one", "端口；0 表示任意空闲端口"))
    ] = 8700,
    names: Annotated[
        list[str] | None,
        typer.Option(
            "--name",
            metavar="HOST",
            help=t(
                "Another host name it is reached by; applications at NAME--NS.HOST",
                "可访问的其他主机名；应用位于 名称--命名空间.主机名",
            ),
        ),
    ] = None,
) -> None:
    """Serve until interrupted."""
    with Node(node, language=language()) as here:
        token = os.environ.get(TOKEN_VARIABLE) or None
        settings = GatewaySettings(host=host, port=port, names=tuple(names or ()), token=token)
        gateway = build_gateway(here, settings)

        def ready(url: str) -> None:
            out(t("Gateway: {url}", "网关：{url}", url=url))
            for component, address in gateway.applications(url):
                out(
                    t(
                        "Application {component}: {address}",
                        "应用 {component}：{address}",
                        component=component,
                        address=address,
                    )
                )
            if gateway.made_token is not None:
                say(
                    t(
                        "Calls from other machines need this token (set {name} to choose your own): {token}",
                        "其他机器的调用需要此令牌（可用 {name} 自行设定）：{token}",
                        name=TOKEN_VARIABLE,
                        token=gateway.made_token,
                    )
                )
            sys.stdout.flush()

        try:
            here.runner().prepare()
        except CapmartError as error:  # pages, documents and whatever else needs no runner are served all the same
            warn(error.message(language()))
        serve(gateway, ready)
