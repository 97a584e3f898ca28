"""``capmart key``: publisher keys."""

from __future__ import annotations

from typing import Annotated

import typer

from capmart_sdk.cli.options import AsJson, Center, open_center
from capmart_sdk.config import Home
from capmart_sdk.console import ask_secret, out, out_json, out_table, say, t
from capmart_sdk.keys import KeyStore, StoredKey

Name = Annotated[str, typer.Argument(metavar="NAME", help=t("Name of the key on this machine", "密钥在本机的名称"))]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help=t("Publisher keys", "发布密钥"))
    group.command("new", help=t("Make a publisher key on this machine", "在本机生成发布密钥"))(new)
    group.command("list", help=t("List the keys on this machine", "列出本机密钥"))(list_keys)
    group.command("show", help=t("Show a key's public half", "显示密钥的公开部分"))(show)
    group.command("add", help=t("Register a key with your namespace at a center", "在能力中心为您的命名空间登记密钥"))(
        add
    )
    app.add_typer(group, name="key")


def new(
    name: Name,
    *,
    passphrase: Annotated[
        bool, typer.Option("--passphrase", help=t("Ask for a passphrase to protect it", "设置口令保护"))
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a key."""
    secret = ask_secret(t("Passphrase for the key", "密钥口令")) or None if passphrase else None
    _show(_store().new(name, passphrase=secret), as_json=as_json)
    if not as_json:
        say(
            t(
                "Keep the file {path} safe; register the key with: capmart key add NAMESPACE --key {name}",
                "请妥善保管文件 {path}；登记密钥：capmart key add 命名空间 --key {name}",
                path=_store().path(name),
                name=name,
            )
        )


def list_keys(*, as_json: AsJson = False) -> None:
    """List them."""
    keys = [_store().show(name) for name in _store().names()]
    if as_json:
        out_json([_facts(key) for key in keys])
        return
    columns = (t("Name", "名称"), t("Fingerprint", "指纹"), t("Passphrase", "口令"))
    rows = ((key.name, key.public.fingerprint, t("yes", "有") if key.locked else t("no", "无")) for key in keys)
    out_table(columns, rows)


def show(name: Name, *, as_json: AsJson = False) -> None:
    """Show one."""
    _show(_store().show(name), as_json=as_json)


def add(
    namespace: Annotated[str, typer.Argument(metavar="NAMESPACE", help=t("Your namespace", "您的命名空间"))],
    key: Annotated[
        str | None,
        typer.Option(
            "--key", "-k", metavar="NAME", help=t("Which key (default: the only one)", "密钥名称（默认：唯一的密钥）")
        ),
    ] = None,
    center: Center = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Register the public half; the center appends it to its log."""
    stored = _store().show(key or _store().only())
    with open_center(center) as client:
        client.add_key(namespace, str(stored.public))
        if as_json:
            out_json({"namespace": namespace, "center": client.url, **_facts(stored)})
            return
        out(
            t(
                "Key {name} ({fingerprint}) is registered with namespace {namespace} at {center}.",
                "密钥 {name}（{fingerprint}）已在 {center} 登记到命名空间 {namespace}。",
                name=stored.name,
                fingerprint=stored.public.fingerprint,
                namespace=namespace,
                center=client.url,
            )
        )


def _store() -> KeyStore:
    return KeyStore(Home.default().keys)


def _facts(key: StoredKey) -> dict[str, object]:
    return {
        "name": key.name,
        "key": str(key.public),
        "keyid": key.public.keyid,
        "fingerprint": key.public.fingerprint,
        "passphrase": key.locked,
    }


def _show(key: StoredKey, *, as_json: bool) -> None:
    if as_json:
        out_json(_facts(key))
        return
    out(t("Name         {name}", "名称  {name}", name=key.name))
    out(t("Public key   {key}", "公钥  {key}", key=key.public))
    out(t("Fingerprint  {fingerprint}", "指纹  {fingerprint}", fingerprint=key.public.fingerprint))
