"""``capmart center init | migrate``: the folder and the database of a center."""

from __future__ import annotations

import secrets
from typing import Annotated, get_args

import typer

from capmart_core.errors import StateConflict
from capmart_core.signing import Ed25519Signer
from capmart_registry import schema
from capmart_registry.accounts import service
from capmart_registry.accounts.principal import Scope
from capmart_registry.center import Center
from capmart_registry.cli.options import AsJson, Data
from capmart_registry.log import service as log
from capmart_registry.settings import FILE, data_folder, load_settings
from capmart_sdk.console import out, out_json, say, t

app = typer.Typer()


@app.command(help=t("Make a new center in a folder", "在目录中新建能力中心"))
def init(
    *,
    data: Data = None,
    origin: Annotated[str, typer.Option(help=t("Its stable name, also its log's name", "固定名称，也是其日志的名称"))],
    title_zh: Annotated[str, typer.Option(help=t("Its name in Chinese", "中文名称"))],
    title_en: Annotated[str, typer.Option(help=t("Its name in English", "英文名称"))],
    port: Annotated[int, typer.Option(min=1, max=65_535, help=t("TCP port to listen on", "监听端口"))] = 8470,
    database_url: Annotated[
        str | None,
        typer.Option(
            help=t(
                "Address of the database, for example postgresql://USER@HOST/NAME; SQLite in the folder when not given",
                "数据库地址，例如 postgresql://USER@HOST/NAME；不填则使用目录内的 SQLite",
            )
        ),
    ] = None,
    admin: Annotated[str, typer.Option(help=t("Name of the first administrator", "首个管理员账号"))] = "admin",
    as_json: AsJson = False,
) -> None:
    """Settings, log key, database, the operating organisation and its first administrator."""
    folder = data_folder(data)
    if (folder / FILE).exists():
        raise StateConflict(what=str(folder), state="a center already", action="init", needed="empty")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    given: dict[str, str | int] = {"origin": origin, "title_zh": title_zh, "title_en": title_en, "listen_port": port}
    if database_url is not None:
        given["database_url"] = database_url
    settings = load_settings(folder, **given)
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
    lines = [f"{name} = {value if isinstance(value, int) else _quoted(value)}" for name, value in given.items()]
    (folder / FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
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


@app.command(help=t("Bring the database to this version's schema", "将数据库升级到当前版本"))
def migrate(*, data: Data = None) -> None:
    """Run the migrations that are missing."""
    center = Center(load_settings(data))
    schema.migrate(center.db)
    say(t("The database is up to date", "数据库已是最新"))


def _quoted(text: str) -> str:
    """A TOML basic string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
