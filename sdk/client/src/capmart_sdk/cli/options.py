"""Options that several commands share. Imported after the language is settled, so that their help is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from capmart_core.errors import CenterNotNamed
from capmart_sdk.client import CenterClient
from capmart_sdk.config import Home
from capmart_sdk.console import language, t
from capmart_sdk.keys import Credentials
from capmart_sdk.trust import TrustStore

AsJson = Annotated[bool, typer.Option("--json", help=t("Print JSON for a program", "输出供程序读取的 JSON"))]
Yes = Annotated[bool, typer.Option("--yes", "-y", help=t("Agree beforehand", "预先同意，不再询问"))]
Center = Annotated[
    str | None,
    typer.Option(
        "--center",
        "-c",
        metavar="URL",
        envvar="CAPMART_CENTER",
        help=t("Address or origin of the center", "能力中心的地址或名称"),
    ),
]
NodeDir = Annotated[
    Path | None,
    typer.Option(
        "--node",
        metavar="DIR",
        envvar="CAPMART_NODE",
        help=t("Folder of the node (default: your own node)", "节点目录（默认：您自己的节点）"),
    ),
]
KeyName = Annotated[
    str, typer.Option("--key", "-k", metavar="NAME", help=t("Publisher key to sign with", "用于签名的发布密钥"))
]


def center_url(center: str | None) -> str:
    """The address of the center meant: an address, a trusted origin, or the only center that is known here.

    Those that are trusted are asked first, then those that somebody is signed in to.

    Raises:
        CenterNotNamed: none is named and it is not clear which one is meant.
    """
    home = Home.default()
    trusted = {one.origin: one.url for one in TrustStore(home.trust).origins() if one.url}
    if center:
        return trusted.get(center, center)
    known = set(trusted.values()) or set(Credentials(home.credentials).urls())
    if len(known) != 1:
        raise CenterNotNamed(known=", ".join(sorted(known)) or "-")
    return next(iter(known))


def open_center(center: str | None) -> CenterClient:
    """A client of the center meant, with the token that is stored for it."""
    url = center_url(center)
    credentials = Credentials(Home.default().credentials).get(url)
    return CenterClient(
        url,
        token=credentials.token if credentials else None,
        account=credentials.account if credentials else None,
        language=language(),
    )
