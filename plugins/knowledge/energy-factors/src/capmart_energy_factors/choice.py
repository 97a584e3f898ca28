"""Which factor applies: the one chosen by id, otherwise the default, for electricity that of the region and year."""

from __future__ import annotations

from dataclasses import dataclass

from capmart_component import ActionError
from capmart_energy_factors.tables import Carrier, Factor, Quantity, Tables


@dataclass(frozen=True)
class Choice:
    """A factor and what the reader must know about why it was taken."""

    factor: Factor
    zh: str = ""
    en: str = ""


def choose(
    tables: Tables, quantity: Quantity, carrier: Carrier, *, wanted: str | None, region: str, year: int
) -> Choice | None:
    """The factor for a line; None when there is none for its carrier.

    Raises:
        ActionError: the one asked for does not exist or is another carrier's, or electricity has none for region and
            year.
    """
    if wanted is not None:
        return Choice(_by_id(tables, quantity, carrier, wanted))
    candidates = [f for f in tables.factors.values() if f.quantity == quantity and f.carrier == carrier and f.default]
    if any(factor.region for factor in candidates):
        return _regional(tables, candidates, region, year)
    return Choice(candidates[0]) if candidates else None


def _by_id(tables: Tables, quantity: Quantity, carrier: Carrier, wanted: str) -> Factor:
    factor = tables.factors.get(wanted)
    if factor is None or factor.quantity != quantity or factor.carrier != carrier:
        known = ", ".join(f.id for f in tables.factors.values() if f.quantity == quantity and f.carrier == carrier)
        raise ActionError(
            f"{carrier.zh} 没有编号为 {wanted} 的此类因子；可用：{known or '无'}",
            f"{carrier.en} has no such factor {wanted}; there are: {known or 'none'}",
        )
    return factor


def _regional(tables: Tables, candidates: list[Factor], region: str, year: int) -> Choice:
    here = sorted((factor for factor in candidates if factor.region == region), key=lambda factor: factor.year)
    if not here:
        known = ", ".join(sorted({factor.region for factor in candidates}))
        raise ActionError(
            f"没有地区 {region} 的电力因子；可用：{known}", f"no grid factor for {region}; there are: {known}"
        )
    usable = [factor for factor in here if factor.year <= year]
    zh, en = tables.regions[region]
    if not usable:
        raise ActionError(
            f"{zh}最早的电力因子为 {here[0].year} 年，没有 {year} 年的",
            f"the earliest grid factor for {en} is that of {here[0].year}; there is none for {year}",
        )
    newest = usable[-1]
    if newest.year == year:
        return Choice(newest)
    return Choice(
        newest,
        f"没有{zh} {year} 年的电力因子，采用最近的 {newest.year} 年值。",
        f"There is no grid factor for {en} in {year}; the newest before it, of {newest.year}, was used.",
    )
