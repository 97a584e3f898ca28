"""``capmart trust``: which centers' logs are believed."""

from __future__ import annotations

from typing import Annotated

import typer

from capmart_core.errors import FingerprintMismatch, NotFound, OriginNotTrusted
from capmart_core.times import format_utc, now_utc
from capmart_sdk.cli.options import AsJson, Yes
from capmart_sdk.client import CenterClient
from capmart_sdk.config import Home
from capmart_sdk.console import confirm, language, out, out_json, out_table, say, t
from capmart_sdk.trust import Offer, TrustedOrigin, TrustStore, offers


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help=t("Centers that are trusted here", "本机信任的能力中心"))
    group.command(
        "add",
        help=t(
            "Trust a center, and the logs that it relays, each by its fingerprint",
            "信任能力中心及其转发的日志，逐一核对指纹",
        ),
    )(add)
    group.command("list", help=t("List what is trusted", "列出受信任的中心"))(list_trusted)
    group.command("remove", help=t("No longer trust an origin or address", "不再信任某中心"))(remove)
    app.add_typer(group, name="trust")


def add(
    url: Annotated[str, typer.Argument(metavar="URL", help=t("Address of the center", "能力中心地址"))],
    fingerprint: Annotated[
        str | None,
        typer.Option(
            metavar="SHA256:…", help=t("The fingerprint you were told by another way", "您经其他途径获知的指纹")
        ),
    ] = None,
    origin: Annotated[
        str | None,
        typer.Option(
            metavar="ORIGIN", help=t("Only this log of those the center serves", "仅信任该中心提供的这一份日志")
        ),
    ] = None,
    *,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Compare fingerprints, or show them and ask."""
    with CenterClient(url, language=language()) as client:
        served = offers(client.about(), url=client.url)
        address = client.url
    first, others = served[0], served[1:]
    if origin is not None:
        first, others = _the_one(served, origin, address), []
    store = TrustStore(Home.default().trust)
    added: list[Offer] = []
    if _accept(store, first, address, fingerprint=fingerprint, yes=yes):
        added.append(first)
        # A fingerprint speaks for one log only: each relayed one is asked for by itself.
        added += [offer for offer in others if _accept_relayed(store, offer, address)]
    if as_json:
        out_json({"trusted": [{"origin": offer.origin, "fingerprint": offer.key.fingerprint} for offer in added]})
    elif not added:
        raise typer.Exit(3)
    for offer in added if not as_json else ():
        out(
            t(
                "Trusted: {origin} ({fingerprint})",
                "已信任：{origin}（{fingerprint}）",
                origin=offer.origin,
                fingerprint=offer.key.fingerprint,
            )
        )


def _the_one(served: list[Offer], origin: str, url: str) -> Offer:
    for offer in served:
        if offer.origin == origin:
            return offer
    known = ", ".join(offer.origin for offer in served)
    raise NotFound(
        what=t(
            "{origin} at {url} (it serves: {known})",
            "{url} 提供的日志 {origin}（现有：{known}）",
            origin=origin,
            url=url,
            known=known,
        )
    )


def _accept(store: TrustStore, offer: Offer, url: str, *, fingerprint: str | None, yes: bool) -> bool:
    known = store.get(offer.origin)
    actual = offer.key.fingerprint
    expected = fingerprint or (known.public.fingerprint if known else None)
    if expected is not None and expected != actual:
        raise FingerprintMismatch(origin=offer.origin, actual=actual, expected=expected)
    if expected is None:
        if yes:
            raise OriginNotTrusted(origin=offer.origin, fingerprint=actual, url=url)
        _show(offer, url)
        if not confirm(t("Is this the fingerprint you were told?", "与您获知的指纹一致吗？"), yes=False):
            say(t("Not trusted.", "未信任。"))
            return False
    _add(store, offer, url)
    return True


def _accept_relayed(store: TrustStore, offer: Offer, url: str) -> bool:
    known = store.get(offer.origin)
    if known is not None:
        if known.key != str(offer.key):
            raise FingerprintMismatch(
                origin=offer.origin, actual=offer.key.fingerprint, expected=known.public.fingerprint
            )
        return False
    _show(offer, url)
    if confirm(t("Trust this relayed log too?", "是否同时信任该转发日志？"), yes=False):
        _add(store, offer, url)
        return True
    say(
        t(
            "Not trusted. Later: capmart trust add {url} --origin {origin} --fingerprint {fingerprint}",
            "未信任。稍后可运行：capmart trust add {url} --origin {origin} --fingerprint {fingerprint}",
            url=url,
            origin=offer.origin,
            fingerprint=offer.key.fingerprint,
        )
    )
    return False


def _show(offer: Offer, url: str) -> None:
    say(t("Center       {url}", "中心  {url}", url=url))
    role = t("its own log", "自有日志") if offer.own else t("a log that it relays", "其转发的日志")
    say(t("Origin       {origin} ({role})", "名称  {origin}（{role}）", origin=offer.origin, role=role))
    say(t("Fingerprint  {fingerprint}", "指纹  {fingerprint}", fingerprint=offer.key.fingerprint), style="bold")


def _add(store: TrustStore, offer: Offer, url: str) -> None:
    added = format_utc(now_utc())
    store.add(TrustedOrigin(origin=offer.origin, key=str(offer.key), url=url if offer.own else None, added=added))


def list_trusted(*, as_json: AsJson = False) -> None:
    """List them."""
    rows = TrustStore(Home.default().trust).origins()
    if as_json:
        out_json([{**row.model_dump(), "fingerprint": row.public.fingerprint} for row in rows])
        return
    columns = (t("Origin", "名称"), t("Address", "地址"), t("Fingerprint", "指纹"), t("Since", "自"))
    through = t("through a relay", "经转发")
    out_table(columns, ((row.origin, row.url or through, row.public.fingerprint, row.added) for row in rows))


def remove(
    name: Annotated[str, typer.Argument(metavar="ORIGIN|URL", help=t("What to trust no longer", "不再信任的中心"))],
) -> None:
    """Remove it."""
    gone = TrustStore(Home.default().trust).remove(name)
    if not gone:
        raise NotFound(what=name)
    out(t("No longer trusted: {origins}", "不再信任：{origins}", origins=", ".join(gone)))
