"""``capmart center upstream``: other centers that this one follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any, get_args

import typer

from capmart_core.errors import InvalidRequest
from capmart_core.text import Text
from capmart_core.times import format_utc
from capmart_registry.cli.options import AsJson, Data, open_center
from capmart_registry.upstreams import service
from capmart_registry.upstreams.filters import Filters
from capmart_registry.upstreams.service import Policy, SyncResult, UpstreamStatus
from capmart_sdk.console import confirm, out, out_json, out_table, say, t, tt, warn
from capmart_sdk.follow import Batch

Names = list[str]

app = typer.Typer()
_upstream = typer.Typer(no_args_is_help=True, help=t("Centers that this one follows", "本中心跟随的上游中心"))
app.add_typer(_upstream, name="upstream")


@_upstream.command(help=t("Follow a center's catalog; again to change filters", "跟随某中心的目录；再次运行可更改筛选"))
def add(
    url: Annotated[str, typer.Argument(metavar="URL", help=t("Address of the center", "中心地址"))],
    *,
    fingerprint: Annotated[
        str | None,
        typer.Option(
            metavar="SHA256:…", help=t("The fingerprint you were told by another way", "您经其他途径获知的指纹")
        ),
    ] = None,
    origin: Annotated[
        str | None, typer.Option(metavar="ORIGIN", help=t("A log that this center relays", "该中心转发的日志"))
    ] = None,
    kind: Annotated[Names | None, typer.Option(help=t("Only these kinds", "仅这些类型"))] = None,
    industry: Annotated[
        Names | None, typer.Option(help=t("Only these industries (GB/T 4754 codes)", "仅这些行业（GB/T 4754 代码）"))
    ] = None,
    scenario: Annotated[Names | None, typer.Option(help=t("Only these scenarios", "仅这些场景"))] = None,
    namespace: Annotated[Names | None, typer.Option(help=t("Only these namespaces", "仅这些命名空间"))] = None,
    policy: Annotated[
        str, typer.Option(help=t("metadata: the catalog only; full: the content too", "metadata 仅目录；full 含内容"))
    ] = "full",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Compare the fingerprint, or show it and ask; then follow."""
    filters = Filters(tuple(kind or ()), tuple(industry or ()), tuple(scenario or ()), tuple(namespace or ()))
    chosen = _policy(policy)
    with open_center(data) as center:
        trusted = fingerprint if fingerprint is not None else _ask(url, origin)
        row = service.add(center, url, fingerprint=trusted, origin=origin, filters=filters, policy=chosen)
    if as_json:
        out_json({"origin": row.origin, "url": row.url, "policy": row.policy})
        return
    out(
        t(
            "Following {origin} at {url} ({policy})",
            "已跟随 {origin}（{url}，{policy}）",
            origin=row.origin,
            url=row.url,
            policy=row.policy,
        )
    )
    say(t("capmart center worker keeps it up to date", "由 capmart center worker 保持同步"))


@_upstream.command("list", help=t("Upstreams and how following them goes", "上游中心及其同步状况"))
def list_upstreams(*, data: Data = None, as_json: AsJson = False) -> None:
    """List them."""
    with open_center(data) as center, center.db.read() as session:
        found = service.statuses(session)
    if as_json:
        out_json([_as_json(one) for one in found])
        return
    columns = (
        t("Origin", "名称"),
        t("Address", "地址"),
        t("Policy", "策略"),
        t("Applied", "已应用"),
        t("Releases", "版本数"),
        t("To mirror", "待镜像"),
        t("Refused", "已拒绝"),
        t("Last success", "最近成功"),
        t("Problem", "问题"),
    )
    out_table(columns, [_row(one) for one in found])


@_upstream.command(help=t("Follow now, to the newest entry", "立即同步至最新"))
def sync(
    origin: Annotated[
        str | None, typer.Argument(metavar="ORIGIN", help=t("One upstream; all when left out", "仅此上游；缺省为全部"))
    ] = None,
    *,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Apply what is new, fetch what is missing, and say what came of it."""
    with open_center(data) as center:
        with center.db.read() as session:
            chosen = [origin] if origin else service.origins(session)
        results = [service.sync(center, one, progress=None if as_json else _progress(one)) for one in chosen]
    if as_json:
        out_json([asdict(result) for result in results])
    else:
        for result in results:
            out(_summary(result))
    if any(result.missing for result in results):
        warn(t("Not everything is mirrored yet; run it again.", "尚未全部镜像，请再次运行。"))
        raise typer.Exit(6)


@_upstream.command(help=t("Follow it no longer; what is here stays", "不再跟随；已有内容保留"))
def remove(
    origin: Annotated[str, typer.Argument(metavar="ORIGIN", help=t("The upstream", "上游名称"))], *, data: Data = None
) -> None:
    """Remove it."""
    with open_center(data) as center:
        service.remove(center, origin)
    out(t("No longer followed: {origin}", "不再跟随：{origin}", origin=origin))


@_upstream.command(help=t("Logged entries that do not count, and why", "上游日志中未被接受的条目及原因"))
def refused(
    origin: Annotated[str | None, typer.Argument(metavar="ORIGIN", help=t("One upstream", "仅此上游"))] = None,
    *,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """List refused entries."""
    with open_center(data) as center, center.db.read() as session:
        rows = service.refusals(session, origin)
    if as_json:
        out_json([row.model_dump() for row in rows])
        return
    columns = (t("Origin", "名称"), t("Index", "序号"), t("Release", "版本"), t("Code", "代码"), t("Reason", "原因"))
    names = [f"{row.component}@{row.version}" if row.component else "" for row in rows]
    out_table(
        columns,
        [
            (row.origin, row.log_index, name, row.code, tt(Text(zh=row.zh, en=row.en)))
            for row, name in zip(rows, names, strict=True)
        ],
    )


def _policy(text: str) -> Policy:
    known: tuple[Policy, ...] = get_args(Policy)
    for one in known:
        if one == text:
            return one
    raise InvalidRequest(where="--policy", reason=f"{text!r}: choose from {', '.join(known)}")


def _ask(url: str, origin: str | None) -> str:
    """The fingerprint if the person says that it is the one they were told; empty otherwise."""
    offer = service.look(url, origin)
    say(t("Origin       {origin}", "名称  {origin}", origin=offer.origin))
    say(t("Fingerprint  {text}", "指纹  {text}", text=offer.key.fingerprint), style="bold")
    agreed = confirm(t("Is this the fingerprint you were told?", "与您获知的指纹一致吗？"), yes=False)
    return offer.key.fingerprint if agreed else ""


def _progress(origin: str) -> Callable[[Batch], None]:
    def show(batch: Batch) -> None:
        if batch.verdicts:
            done, size = batch.state.cursor, batch.state.size
            say(
                t(
                    "{origin}: {done} of {size} entries",
                    "{origin}：{done} / {size} 条",
                    origin=origin,
                    done=done,
                    size=size,
                )
            )

    return show


def _summary(result: SyncResult) -> str:
    return t(
        "{origin}: {entries} entries applied, {refused} refused, {mirrored} releases mirrored, {missing} to mirror",
        "{origin}：应用 {entries} 条，拒绝 {refused} 条，镜像 {mirrored} 个版本，待镜像 {missing} 个",
        **asdict(result),
    )


def _row(one: UpstreamStatus) -> tuple[object, ...]:
    return (
        one.origin,
        one.url,
        one.policy,
        f"{one.cursor}/{one.size}",
        one.releases,
        one.missing,
        one.refused,
        format_utc(one.last_ok) if one.last_ok else "-",
        f"{one.error_code}: {tt(one.error)}" if one.error_code else "-",
    )


def _as_json(one: UpstreamStatus) -> dict[str, Any]:
    return {
        **asdict(one),
        "at": format_utc(one.at) if one.at else None,
        "last_ok": format_utc(one.last_ok) if one.last_ok else None,
        "error": one.error.model_dump() if one.error else None,
    }
