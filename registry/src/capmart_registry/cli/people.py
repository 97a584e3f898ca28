"""``capmart center org | account | token``: who may do what."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, TypeVar, get_args

import typer

from capmart_core.errors import InvalidRequest
from capmart_registry.accounts import service
from capmart_registry.accounts.models import Token
from capmart_registry.accounts.principal import Role, Scope
from capmart_registry.cli.options import AsJson, Data, open_center
from capmart_sdk.console import ask_secret, out, out_json, out_table, say, t

_Name = TypeVar("_Name", bound=str)


app = typer.Typer()
_org = typer.Typer(no_args_is_help=True, help=t("Organisations", "组织"))
_account = typer.Typer(no_args_is_help=True, help=t("Accounts", "账号"))
_token = typer.Typer(no_args_is_help=True, help=t("Access tokens", "访问令牌"))
app.add_typer(_org, name="org")
app.add_typer(_account, name="account")
app.add_typer(_token, name="token")


@_org.command("add", help=t("Register an organisation", "登记组织"))
def add_org(
    name: Annotated[str, typer.Argument(help=t("Its stable name", "固定名称"))],
    *,
    data: Data = None,
    title_zh: Annotated[str, typer.Option(help=t("Its name in Chinese", "中文名称"))],
    title_en: Annotated[str, typer.Option(help=t("Its name in English", "英文名称"))],
    uscc: Annotated[str | None, typer.Option(help=t("Unified social credit code", "统一社会信用代码"))] = None,
) -> None:
    """One organisation."""
    with open_center(data) as center, center.db.write() as session:
        service.create_organisation(session, name, title_zh=title_zh, title_en=title_en, uscc=uscc)
    say(t("Organisation {name} is registered", "组织 {name} 已登记", name=name))


@_account.command(
    "add", help=t("Create an account; its password is read from the terminal", "创建账号；从终端读取密码")
)
def add_account(
    name: Annotated[str, typer.Argument(help=t("Its name", "账号名"))],
    *,
    data: Data = None,
    org: Annotated[str, typer.Option(help=t("Its organisation", "所属组织"))],
    role: Annotated[list[str], typer.Option(help="developer, reviewer, admin")],
    no_password: Annotated[
        bool, typer.Option("--no-password", help=t("Signs in by token only", "仅用令牌登录"))
    ] = False,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help=t("Also make a token that may do this, printed once", "同时生成具有此权限的令牌，仅显示一次")
            + ": read, push, publish, namespace, review, admin"
        ),
    ] = None,
) -> None:
    """One account; the secret of its token, if one was asked for, alone goes to stdout."""
    password = None if no_password else ask_secret(t("Password", "密码"))
    with open_center(data) as center, center.db.write() as session:
        owner = service.create_account(session, name, organisation_name=org, roles=_roles(role), password=password)
        made = service.create_token(session, center, owner, scopes=_scopes(scope), label="") if scope else None
    say(t("Account {name} is ready", "账号 {name} 已创建", name=name))
    if made is not None:
        _show_token(*made)


@_account.command("password", help=t("Give an account a new password", "重设账号密码"))
def set_password(name: Annotated[str, typer.Argument(help=t("Its name", "账号名"))], *, data: Data = None) -> None:
    """Also ends its sign-ins."""
    password = ask_secret(t("New password", "新密码"))
    with open_center(data) as center, center.db.write() as session:
        service.set_password(session, name, password)
    say(t("The password was changed", "密码已更改"))


@_account.command("disable", help=t("Let an account do nothing any more", "停用账号"))
def disable_account(name: Annotated[str, typer.Argument(help=t("Its name", "账号名"))], *, data: Data = None) -> None:
    """Its tokens and sign-ins end with it, at once."""
    with open_center(data) as center, center.db.write() as session:
        service.disable_account(session, name)
    say(t("Account {name} is disabled", "账号 {name} 已停用", name=name))


@_token.command("new", help=t("Make a token; it is printed once", "生成令牌；仅显示一次"))
def new_token(
    account: Annotated[str, typer.Argument(help=t("Whose it is", "所属账号"))],
    *,
    data: Data = None,
    scope: Annotated[list[str], typer.Option(help="read, push, publish, namespace, review, admin")],
    label: Annotated[str, typer.Option(help=t("What it is for", "用途"))] = "",
    days: Annotated[int | None, typer.Option(min=1, help=t("Its life in days", "有效天数"))] = None,
) -> None:
    """The secret alone goes to stdout."""
    life = None if days is None else timedelta(days=days)
    with open_center(data) as center, center.db.write() as session:
        owner = service.account(session, account)
        row, secret = service.create_token(session, center, owner, scopes=_scopes(scope), label=label, life=life)
    _show_token(row, secret)


@_token.command("list", help=t("List an account's tokens", "列出账号的令牌"))
def list_tokens(
    account: Annotated[str, typer.Argument(help=t("Whose they are", "所属账号"))],
    *,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Without their secrets."""
    with open_center(data) as center, center.db.read() as session:
        rows = service.tokens_of(session, account)
    if as_json:
        out_json([row.model_dump(mode="json", exclude={"hash", "account_id"}) for row in rows])
        return
    columns = ("id", t("Label", "用途"), t("Scopes", "权限"), t("Expires", "到期"), t("Last used", "最近使用"))
    out_table(columns, [(row.id, row.label, row.scopes, row.expires, row.last_used or "-") for row in rows])


@_token.command("revoke", help=t("End a token at once", "立即吊销令牌"))
def revoke_token(token: Annotated[str, typer.Argument(help=t("Its id", "令牌编号"))], *, data: Data = None) -> None:
    """One token."""
    with open_center(data) as center, center.db.write() as session:
        service.revoke_token(session, token)
    say(t("Token {id} is revoked", "令牌 {id} 已吊销", id=token))


def _show_token(row: Token, secret: str) -> None:
    say(t("Token {id}, shown once:", "令牌 {id}，仅显示一次：", id=row.id))
    out(secret)


def _roles(names: list[str]) -> list[Role]:
    known: tuple[Role, ...] = get_args(Role)
    return [_one_of(known, name, "--role") for name in names]


def _scopes(names: list[str]) -> list[Scope]:
    known: tuple[Scope, ...] = get_args(Scope)
    return [_one_of(known, name, "--scope") for name in names]


def _one_of(known: tuple[_Name, ...], name: str, option: str) -> _Name:
    for one in known:
        if one == name:
            return one
    raise InvalidRequest(where=option, reason=f"{name!r}: choose from {', '.join(known)}")
