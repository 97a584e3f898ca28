"""``capmart login | logout | whoami``."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from capmart_core.errors import NotAuthenticated
from capmart_sdk.cli.options import AsJson, Center, center_url, open_center
from capmart_sdk.client import CenterClient
from capmart_sdk.client.http import check_url
from capmart_sdk.config import Home
from capmart_sdk.console import ask_secret, language, out, out_json, t
from capmart_sdk.keys import Credential, Credentials
from capmart_sdk.keys.credentials import TOKEN_VARIABLE

Url = Annotated[str, typer.Argument(metavar="URL", help=t("Address of the center", "能力中心地址"))]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(
        "login",
        help=t(
            "Store a token of a center. It is asked for, or read from stdin or CAPMART_TOKEN; never an argument.",
            "保存能力中心的令牌。令牌由提示输入，或取自标准输入或 CAPMART_TOKEN；不作为命令参数。",
        ),
    )(login)
    app.command("logout", help=t("Forget the token of a center", "删除已保存的令牌"))(logout)
    app.command("whoami", help=t("Show whose token is in use", "显示当前令牌所属账号"))(whoami)


def login(url: Url, *, as_json: AsJson = False) -> None:
    """Check a token with its center, then keep it."""
    store = Credentials(Home.default().credentials)
    token = os.environ.get(TOKEN_VARIABLE, "").strip() or ask_secret(t("Token for {url}", "{url} 的令牌", url=url))
    if not token:
        raise NotAuthenticated(center=check_url(url))
    with CenterClient(url, token=token, language=language()) as client:
        me = client.whoami()
    store.set(url, Credential(token=token, account=me.account))
    if as_json:
        out_json({"center": check_url(url), "account": me.account, "scopes": list(me.scopes)})
    else:
        out(
            t("Signed in to {url} as {account}.", "已以 {account} 登录 {url}。", url=check_url(url), account=me.account)
        )


def logout(url: Url) -> None:
    """Forget it."""
    if Credentials(Home.default().credentials).remove(url):
        out(t("The token for {url} is forgotten.", "已删除 {url} 的令牌。", url=check_url(url)))
    else:
        out(t("There was no token for {url}.", "没有 {url} 的令牌。", url=check_url(url)))


def whoami(center: Center = None, *, as_json: AsJson = False) -> None:
    """Ask the center."""
    with open_center(center) as client:
        me = client.whoami()
    if as_json:
        out_json({"center": center_url(center), **me.model_dump(mode="json")})
        return
    out(t("{account} at {center}", "{account}，于 {center}", account=me.account, center=center_url(center)))
    out(t("Organisation: {organisation}", "组织：{organisation}", organisation=me.organisation or "-"))
    out(t("May: {scopes}", "权限：{scopes}", scopes=", ".join((*me.roles, *me.scopes)) or "-"))
