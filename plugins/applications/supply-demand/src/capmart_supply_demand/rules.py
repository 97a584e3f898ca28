"""Which demand may go with which offer, what that costs, and why things came out as they did. Knows no HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from capmart_component import ActionError, Field, action
from capmart_supply_demand.assignment import assign as solve
from capmart_supply_demand.models import (
    MAX_SIDE,
    Assignment,
    Demand,
    Match,
    Matching,
    Offer,
    Pair,
    Preferences,
    Reason,
    Unmatched,
)

_SHOWN = 20


@action(
    title_zh="供需撮合",
    title_en="Match demands and offers",
    summary_zh="在品类、产能、价格、交期与地区约束下，求满足需求最多且综合成本最低的一对一撮合，并说明每一项的理由。",
    summary_en="One to one, as many demands as possible and then at the least cost, within item, capacity, price, lead "
    "time and region; says why for each.",
)
def match(
    demands: Annotated[list[Demand], Field(zh="需求", en="Demands", min_length=1, max_length=MAX_SIDE)],
    offers: Annotated[list[Offer], Field(zh="供给", en="Offers", min_length=1, max_length=MAX_SIDE)],
    preferences: Annotated[Preferences | None, Field(zh="偏好", en="Preferences")] = None,
) -> Matching:
    """Match every demand with at most one offer and every offer with at most one demand.

    Raises:
        ActionError: two demands or two offers have one id.
    """
    _check_ids("需求", "demand", [demand.id for demand in demands])
    _check_ids("供给", "offer", [offer.id for offer in offers])
    wishes = preferences or Preferences()
    blockers = [[_blockers(demand, offer, wishes) for offer in offers] for demand in demands]
    costs: list[list[float | None]] = [
        [None if blockers[i][j] else _cost(demand, offer, wishes) for j, offer in enumerate(offers)]
        for i, demand in enumerate(demands)
    ]
    pairs = solve(costs)
    taken_by = {column: demands[row].id for row, column in pairs}
    matches = [_match(demands[i], offers[j], costs[i], offers, taken_by) for i, j in pairs]
    rows = {row for row, _ in pairs}
    return Matching(
        matches=matches,
        unmatched_demands=[
            Unmatched(demand.id, _why_no_offer(offers, blockers[i], taken_by))
            for i, demand in enumerate(demands)
            if i not in rows
        ],
        unmatched_offers=[
            Unmatched(offer.id, _why_no_demand(demands, [row[j] for row in blockers]))
            for j, offer in enumerate(offers)
            if j not in taken_by
        ],
        total_amount=round(sum(found.amount for found in matches), 2),
        total_cost=round(sum(found.cost for found in matches), 2),
        possible_pairs=sum(not found for row in blockers for found in row),
    )


@action(
    title_zh="指派",
    title_en="Assign",
    summary_zh="对给定的成本矩阵求最优指派；空值表示不可指派。",
    summary_en="The cheapest assignment of a cost matrix; null forbids a pair.",
)
def assign(
    costs: Annotated[
        list[list[float | None]],
        Field(
            zh="成本矩阵",
            en="Cost matrix",
            example=[[4, 1, 3], [2, 0, 5], [3, 2, 2]],
            min_length=1,
            max_length=MAX_SIDE,
        ),
    ],
) -> Assignment:
    """Assign rows to columns.

    Raises:
        ActionError: the rows are not equally long, or a row has no or too many columns.
    """
    width = len(costs[0])
    if not 1 <= width <= MAX_SIDE or any(len(row) != width for row in costs):
        raise ActionError(
            f"各行须等长，且有 1 至 {MAX_SIDE} 列", f"all rows must be equally long, with 1 to {MAX_SIDE} columns"
        )
    if any(cost is not None and abs(cost) > 1e12 for row in costs for cost in row):
        raise ActionError("成本的绝对值不得超过 1e12", "no cost may be beyond ±1e12")
    found = solve(costs)
    pairs = [Pair(row, column, costs[row][column] or 0.0) for row, column in found]
    return Assignment(
        pairs=pairs,
        total=sum(pair.cost for pair in pairs),
        unassigned_rows=sorted(set(range(len(costs))) - {pair.row for pair in pairs}),
        unassigned_columns=sorted(set(range(width)) - {pair.column for pair in pairs}),
    )


def _check_ids(zh: str, en: str, ids: Sequence[str]) -> None:
    seen: set[str] = set()
    for found in ids:
        if found in seen:
            raise ActionError(f"{zh}编号 {found} 重复", f"the {en} id {found} occurs twice")
        seen.add(found)


def _blockers(demand: Demand, offer: Offer, wishes: Preferences) -> list[Reason]:
    """Every constraint that keeps the two apart; empty when they may go together."""
    found: list[Reason] = []
    if offer.item != demand.item:
        return [Reason(f"品类不同（{offer.item}）", f"other item ({offer.item})")]
    if offer.capacity < demand.quantity:
        found.append(
            Reason(f"产能 {offer.capacity} 少于 {demand.quantity}", f"capacity {offer.capacity} < {demand.quantity}")
        )
    if offer.price > demand.max_price:
        found.append(
            Reason(
                f"单价 {offer.price:g} 高于上限 {demand.max_price:g}", f"price {offer.price:g} > {demand.max_price:g}"
            )
        )
    if offer.lead_days > demand.max_lead_days:
        found.append(
            Reason(
                f"交期 {offer.lead_days} 天长于 {demand.max_lead_days} 天",
                f"lead time {offer.lead_days} d > {demand.max_lead_days} d",
            )
        )
    if offer.serves and demand.region not in offer.serves:
        found.append(Reason(f"不供应{demand.region}", f"does not serve {demand.region}"))
    elif wishes.same_region_only and offer.region != demand.region:
        found.append(Reason(f"位于{offer.region}，要求同地区", f"is in {offer.region}; same region was asked for"))
    return found


def _cost(demand: Demand, offer: Offer, wishes: Preferences) -> float:
    """Price of the whole quantity plus what lead time and another region are worth."""
    elsewhere = wishes.other_region_cost if offer.region != demand.region else 0.0
    return offer.price * demand.quantity + offer.lead_days * wishes.lead_day_cost + elsewhere


def _match(
    demand: Demand, offer: Offer, costs: Sequence[float | None], offers: Sequence[Offer], taken_by: dict[int, str]
) -> Match:
    amount = offer.price * demand.quantity
    saved = (demand.max_price - offer.price) * demand.quantity
    cost = next(cost for cost, other in zip(costs, offers, strict=True) if other is offer) or 0.0
    reasons = [
        Reason(
            f"单价 {offer.price:g} 元，低于上限合计 {saved:,.2f} 元",
            f"price {offer.price:g} CNY, {saved:,.2f} CNY below the limit",
        ),
        Reason(
            f"产能 {offer.capacity}，需求 {demand.quantity}",
            f"capacity {offer.capacity} for a demand of {demand.quantity}",
        ),
        Reason(
            f"交期 {offer.lead_days} 天，要求 {demand.max_lead_days} 天以内",
            f"lead time {offer.lead_days} d, at most {demand.max_lead_days} d asked for",
        ),
        Reason(f"同在{demand.region}", f"both in {demand.region}")
        if offer.region == demand.region
        else Reason(f"由{offer.region}供应{demand.region}", f"from {offer.region} to {demand.region}"),
    ]
    cheaper = [
        (other.id, taken_by[j])
        for j, (found, other) in enumerate(zip(costs, offers, strict=True))
        if found is not None and found < cost and j in taken_by
    ]
    if cheaper:
        listed = ", ".join(f"{other} → {taker}" for other, taker in cheaper[:_SHOWN])
        reasons.append(
            Reason(
                f"更便宜的供给已给其他需求（{listed}），这样总体更优",
                f"cheaper offers went elsewhere ({listed}), which is better for the whole",
            )
        )
    elif sum(found is not None for found in costs) == 1:
        reasons.append(Reason("唯一可行的供给", "the only offer that meets every constraint"))
    else:
        reasons.append(Reason("可行供给中综合成本最低", "the least cost among the offers that meet every constraint"))
    return Match(demand.id, offer.id, round(amount, 2), round(cost, 2), reasons)


def _why_no_offer(
    offers: Sequence[Offer], blockers: Sequence[Sequence[Reason]], taken_by: dict[int, str]
) -> list[Reason]:
    fitting = [(offer.id, taken_by[j]) for j, offer in enumerate(offers) if not blockers[j] and j in taken_by]
    if fitting:
        listed = ", ".join(f"{offer} → {taker}" for offer, taker in fitting[:_SHOWN])
        return [
            Reason(f"可行的供给均已给其他需求（{listed}）", f"the offers that fit all went to other demands ({listed})")
        ]
    return _listed([(offer.id, blockers[j]) for j, offer in enumerate(offers)], "没有供给", "no offers")


def _why_no_demand(demands: Sequence[Demand], blockers: Sequence[Sequence[Reason]]) -> list[Reason]:
    fitting = [demand.id for i, demand in enumerate(demands) if not blockers[i]]
    if fitting:
        listed = ", ".join(fitting[:_SHOWN])
        return [
            Reason(
                f"可满足 {listed}，但其他供给使总体更优",
                f"would fit {listed}, but other offers are better for the whole",
            )
        ]
    return _listed([(demand.id, blockers[i]) for i, demand in enumerate(demands)], "没有需求", "no demands")


def _listed(found: Sequence[tuple[str, Sequence[Reason]]], none_zh: str, none_en: str) -> list[Reason]:
    """A line for each of the same item; those of other items would only hide them."""
    near = [(name, reasons) for name, reasons in found if not reasons[0].en.startswith("other item")]
    if not near:
        return [Reason(f"{none_zh}属于该品类", f"{none_en} of this item")]
    return [
        Reason(f"{name}：{'，'.join(r.zh for r in reasons)}", f"{name}: {', '.join(r.en for r in reasons)}")
        for name, reasons in near[:_SHOWN]
    ]
