"""``capmart yank | unyank | deprecate``: what a publisher says about its own listed release."""

from __future__ import annotations

from typing import Annotated

import typer

from capmart_core.errors import ComponentNotFound, InvalidIdentifier
from capmart_core.identifiers import ComponentId
from capmart_core.manifest.models import Manifest
from capmart_core.signing import sign_statement
from capmart_core.text import Text
from capmart_core.versions import parse_version
from capmart_sdk.cli.options import AsJson, Center, open_center
from capmart_sdk.config import Home
from capmart_sdk.console import out, out_json, t
from capmart_sdk.keys import KeyStore
from capmart_sdk.publish import state_statement
from capmart_sdk.publish.statements import StateOp

Release = Annotated[str, typer.Argument(metavar="ID@VERSION", help=t("Listed release", "已上架的版本"))]
Key = Annotated[
    str | None,
    typer.Option(
        "--key",
        "-k",
        metavar="NAME",
        help=t("Key to sign with (default: the only one)", "签名密钥（默认：唯一的密钥）"),
    ),
]
ReasonZh = Annotated[str, typer.Option("--reason-zh", metavar="TEXT", help=t("Why, in Chinese", "中文理由"))]
ReasonEn = Annotated[str, typer.Option("--reason-en", metavar="TEXT", help=t("Why, in English", "英文理由"))]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(
        "yank",
        help=t(
            "Withdraw a release: no new installs, except where a lock names it",
            "撤回版本：不再允许新安装（锁定文件已指明者除外）",
        ),
    )(yank)
    app.command("unyank", help=t("Take a yank back", "取消撤回"))(unyank)
    app.command("deprecate", help=t("Say that something else should be used", "标记为不推荐使用"))(deprecate)


def yank(
    release: Release,
    reason_zh: ReasonZh,
    reason_en: ReasonEn,
    center: Center = None,
    key: Key = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Yank."""
    _change("yank", release, center, key, reason=Text(zh=reason_zh, en=reason_en), as_json=as_json)


def unyank(release: Release, center: Center = None, key: Key = None, *, as_json: AsJson = False) -> None:
    """Unyank."""
    _change("unyank", release, center, key, as_json=as_json)


def deprecate(
    release: Release,
    reason_zh: ReasonZh,
    reason_en: ReasonEn,
    center: Center = None,
    key: Key = None,
    replacement: Annotated[
        str | None, typer.Option("--use", metavar="ID", help=t("Component to use instead", "替代组件"))
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Deprecate."""
    reason = Text(zh=reason_zh, en=reason_en)
    _change("deprecate", release, center, key, reason=reason, replacement=replacement, as_json=as_json)


def _change(
    op: StateOp,
    release: str,
    center: str | None,
    key: str | None,
    *,
    reason: Text | None = None,
    replacement: str | None = None,
    as_json: bool,
) -> None:
    component, _, version = release.partition("@")
    if not version:
        raise InvalidIdentifier(what="release", value=release[:200], expected="ID@VERSION", example="acme/oee@1.2.0")
    wanted = ComponentId.parse(component)
    store = KeyStore(Home.default().keys)
    signer = store.signer(key or store.only())
    with open_center(center) as client:
        found = client.release(wanted, str(parse_version(version)))
        if found.manifest is None or found.config is None or found.home is None:
            raise ComponentNotFound(wanted=release, center=client.url)
        statement = state_statement(
            op,
            Manifest.model_validate(found.manifest),
            digest=found.digest,
            config=found.config,
            home=found.home,
            reason=reason,
            replacement=replacement,
        )
        index = client.state_change(sign_statement(statement, signer))
    if as_json:
        out_json({"release": release, "op": op, "log_index": index})
    else:
        out(
            t(
                "{op}: {release} (log index {index})",
                "{op}：{release}（日志序号 {index}）",
                op=op,
                release=release,
                index=index,
            )
        )
