"""``capmart center``: what an operator does on the machine of a center."""

from __future__ import annotations

import logging
import secrets
import signal
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import Annotated, TypeVar, get_args

import typer

from capmart_core.errors import InvalidRequest, StateConflict
from capmart_core.signing import Ed25519Signer
from capmart_registry import schema, worker
from capmart_registry.accounts import namespaces, service
from capmart_registry.accounts.principal import Role, Scope
from capmart_registry.center import Center
from capmart_registry.log import service as log
from capmart_registry.search.writer import SearchWriter
from capmart_registry.serving import serve as serve_center
from capmart_registry.settings import FILE, data_folder, load_settings
from capmart_registry.upstreams.cli import upstream_app
from capmart_sdk.console import ask_secret, out, out_json, out_table, say, t

Data = Annotated[
    Path | None,
    typer.Option(
        "--data", metavar="DIR", envvar="CAPMART_CENTER_DATA", help=t("Folder of the center", "能力中心的数据目录")
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help=t("Print JSON for a program", "输出供程序读取的 JSON"))]

_Name = TypeVar("_Name", bound=str)

app = typer.Typer(no_args_is_help=True, help=t("Run a capability center", "运行能力中心"))
_org = typer.Typer(no_args_is_help=True, help=t("Organisations", "组织"))
_account = typer.Typer(no_args_is_help=True, help=t("Accounts", "账号"))
_token = typer.Typer(no_args_is_help=True, help=t("Access tokens", "访问令牌"))
_namespace = typer.Typer(no_args_is_help=True, help=t("Namespaces", "命名空间"))
app.add_typer(_org, name="org")
app.add_typer(_account, name="account")
app.add_typer(_token, name="token")
app.add_typer(_namespace, name="namespace")
app.add_typer(upstream_app, name="upstream")


@app.command(help=t("Make a new center in a folder", "在目录中新建能力中心"))
def init(
    *,
    data: Data = None,
    origin: Annotated[str, typer.Option(help=t("Its stable name, also its log's name", "固定名称，也是其日志的名称"))],
    title_zh: Annotated[str, typer.Option(help=t("Its name in Chinese", "中文名称"))],
    title_en: Annotated[str, typer.Option(help=t("Its name in English", "英文名称"))],
    port: Annotated[int, typer.Option(min=1, max=65_535, help=t("TCP port to listen on", "监听端口"))] = 8470,
    admin: Annotated[str, typer.Option(help=t("Name of the first administrator", "首个管理员账号"))] = "admin",
    as_json: AsJson = False,
) -> None:
    """Settings, log key, database, the operating organisation and its first administrator."""
    folder = data_folder(data)
    if (folder / FILE).exists():
        raise StateConflict(what=str(folder), state="a center already", action="init", needed="empty")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    settings = load_settings(folder, origin=origin, title_zh=title_zh, title_en=title_en, listen_port=port)
    if not settings.log_key_path.exists():  # a run that was killed half way begins again with the same key
        settings.log_key_path.parent.mkdir(mode=0o700, exist_ok=True)
        Ed25519Signer.generate().save(settings.log_key_path)
    center = Center(settings)
    schema.migrate(center.db)
    password = secrets.token_urlsafe(12)
    with center.db.write() as session:
        log.create_own_log(session, center)
        service.ensure_operator(session, title_zh=title_zh, title_en=title_en)
        owner = service.ensure_admin(session, admin, password)
        _, token = service.create_token(session, center, owner, scopes=get_args(Scope), label="init")
    log.publish_checkpoint(center)
    lines = (f"origin = {_quoted(origin)}", f"title_zh = {_quoted(title_zh)}", f"title_en = {_quoted(title_en)}")
    (folder / FILE).write_text("\n".join([*lines, f"listen_port = {port}"]) + "\n", encoding="utf-8")
    fingerprint = center.signer.public.fingerprint
    if as_json:
        out_json({"origin": origin, "fingerprint": fingerprint, "admin": admin, "password": password, "token": token})
        return
    out(t("Center {origin} is ready in {folder}", "能力中心 {origin} 已建于 {folder}", origin=origin, folder=folder))
    out(t("Fingerprint of its log: {text}", "日志指纹：{text}", text=fingerprint))
    out(
        t(
            "Shown once: account {name}, password {text}",
            "仅显示一次：账号 {name}，密码 {text}",
            name=admin,
            text=password,
        )
    )
    out(t("Shown once: token {text}", "仅显示一次：令牌 {text}", text=token))
    out(
        t(
            "Next: capmart center serve, and capmart center worker",
            "接下来：capmart center serve 与 capmart center worker",
        )
    )


@app.command(help=t("Serve the interface, the log, the artifacts and the portal", "提供接口、日志、制品与门户服务"))
def serve(*, data: Data = None) -> None:
    """Until it is told to stop."""
    serve_center(load_settings(data))


@app.command("worker", help=t("Run checks and follow upstreams", "执行检测并同步上级中心"))
def work(
    *,
    data: Data = None,
    once: Annotated[
        bool, typer.Option("--once", help=t("Do the checks that are due, then end", "完成到期检测后退出"))
    ] = False,
) -> None:
    """Until it is told to stop."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    center = _open(data)
    if once:
        done = worker.run_until_idle(center)
        say(t("{n} checks done", "已完成 {n} 项检测", n=done))
        return
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    worker.run(center, stop)
    center.close()


@app.command(help=t("Bring the database to this version's schema", "将数据库升级到当前版本"))
def migrate(*, data: Data = None) -> None:
    """Run the migrations that are missing."""
    center = Center(load_settings(data))
    schema.migrate(center.db)
    say(t("The database is up to date", "数据库已是最新"))


@app.command(help=t("Make the search index anew from the catalog", "根据目录重建检索索引"))
def reindex(*, data: Data = None) -> None:
    """Here, or in the process that holds the index."""
    center = _open(data)
    SearchWriter(center.db, center.settings.search_path).rebuild()
    say(t("The search index is new", "检索索引已重建"))


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
    with _open(data).db.write() as session:
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
) -> None:
    """One account."""
    center = _open(data)
    password = None if no_password else ask_secret(t("Password", "密码"))
    with center.db.write() as session:
        service.create_account(session, name, organisation_name=org, roles=_roles(role), password=password)
    say(t("Account {name} is ready", "账号 {name} 已创建", name=name))


@_account.command("password", help=t("Give an account a new password", "重设账号密码"))
def set_password(name: Annotated[str, typer.Argument(help=t("Its name", "账号名"))], *, data: Data = None) -> None:
    """Also ends its sign-ins."""
    center = _open(data)
    password = ask_secret(t("New password", "新密码"))
    with center.db.write() as session:
        service.set_password(session, name, password)
    say(t("The password was changed", "密码已更改"))


@_account.command("disable", help=t("Let an account do nothing any more", "停用账号"))
def disable_account(name: Annotated[str, typer.Argument(help=t("Its name", "账号名"))], *, data: Data = None) -> None:
    """Its tokens and sign-ins end with it, at once."""
    with _open(data).db.write() as session:
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
    center = _open(data)
    life = None if days is None else timedelta(days=days)
    with center.db.write() as session:
        owner = service.account(session, account)
        row, secret = service.create_token(session, center, owner, scopes=_scopes(scope), label=label, life=life)
    say(t("Token {id}, shown once:", "令牌 {id}，仅显示一次：", id=row.id))
    out(secret)


@_token.command("list", help=t("List an account's tokens", "列出账号的令牌"))
def list_tokens(
    account: Annotated[str, typer.Argument(help=t("Whose they are", "所属账号"))],
    *,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Without their secrets."""
    with _open(data).db.read() as session:
        rows = service.tokens_of(session, account)
    if as_json:
        out_json([row.model_dump(mode="json", exclude={"hash", "account_id"}) for row in rows])
        return
    columns = ("id", t("Label", "用途"), t("Scopes", "权限"), t("Expires", "到期"), t("Last used", "最近使用"))
    out_table(columns, [(row.id, row.label, row.scopes, row.expires, row.last_used or "-") for row in rows])


@_token.command("revoke", help=t("End a token at once", "立即吊销令牌"))
def revoke_token(token: Annotated[str, typer.Argument(help=t("Its id", "令牌编号"))], *, data: Data = None) -> None:
    """One token."""
    with _open(data).db.write() as session:
        service.revoke_token(session, token)
    say(t("Token {id} is revoked", "令牌 {id} 已吊销", id=token))


@_namespace.command("grant", help=t("Grant a namespace to an organisation", "将命名空间授予组织"))
def grant_namespace(
    namespace: Annotated[str, typer.Argument(help=t("The namespace", "命名空间"))],
    *,
    data: Data = None,
    org: Annotated[str, typer.Option(help=t("Its owner", "所有者"))],
) -> None:
    """Written to the log."""
    index = namespaces.grant_namespace(_open(data), namespace, org)
    say(
        t(
            "{name} belongs to {org}; log index {index}",
            "{name} 归属 {org}；日志序号 {index}",
            name=namespace,
            org=org,
            index=index,
        )
    )


def _open(data: Path | None) -> Center:
    center = Center(load_settings(data))
    schema.check(center.db)
    return center


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


def _quoted(text: str) -> str:
    """A TOML basic string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
