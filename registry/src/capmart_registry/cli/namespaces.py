"""``capmart center namespace``: who owns which namespace."""

from __future__ import annotations

from typing import Annotated

import typer

from capmart_registry.accounts import namespaces
from capmart_registry.cli.options import Data, open_center
from capmart_sdk.console import say, t

app = typer.Typer()
_namespace = typer.Typer(no_args_is_help=True, help=t("Namespaces", "命名空间"))
app.add_typer(_namespace, name="namespace")


@_namespace.command("grant", help=t("Grant a namespace to an organisation", "将命名空间授予组织"))
def grant_namespace(
    namespace: Annotated[str, typer.Argument(help=t("The namespace", "命名空间"))],
    *,
    data: Data = None,
    org: Annotated[str, typer.Option(help=t("Its owner", "所有者"))],
) -> None:
    """Written to the log."""
    with open_center(data) as center:
        index = namespaces.grant_namespace(center, namespace, org)
    say(
        t(
            "{name} belongs to {org}; log index {index}",
            "{name} 归属 {org}；日志序号 {index}",
            name=namespace,
            org=org,
            index=index,
        )
    )
