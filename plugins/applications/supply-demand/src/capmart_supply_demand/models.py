"""What goes in and what comes out, with titles, units and bounds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from capmart_component import Field

MAX_SIDE = 300

Money = Annotated[float, Field(zh="金额", en="Amount", unit="CNY", ge=0, le=1e12)]


@dataclass(frozen=True)
class Demand:
    """One thing that somebody wants."""

    id: Annotated[str, Field(zh="需求编号", en="Demand id", example="D1", min_length=1, max_length=50)]
    item: Annotated[str, Field(zh="品类", en="Item", example="电机壳体 / motor housing", min_length=1, max_length=100)]
    quantity: Annotated[int, Field(zh="数量", en="Quantity", unit="pcs", example=500, ge=1, le=100_000_000)]
    max_price: Annotated[float, Field(zh="最高单价", en="Highest unit price", unit="CNY", example=42, ge=0, le=1e9)]
    max_lead_days: Annotated[int, Field(zh="最长交期", en="Longest lead time", unit="d", example=20, ge=0, le=3650)]
    region: Annotated[str, Field(zh="收货地区", en="Region", example="台州", min_length=1, max_length=50)]


@dataclass(frozen=True)
class Offer:
    """What somebody can deliver."""

    id: Annotated[str, Field(zh="供给编号", en="Offer id", example="S1", min_length=1, max_length=50)]
    item: Annotated[str, Field(zh="品类", en="Item", example="电机壳体 / motor housing", min_length=1, max_length=100)]
    capacity: Annotated[int, Field(zh="产能", en="Capacity", unit="pcs", example=800, ge=0, le=100_000_000)]
    price: Annotated[float, Field(zh="单价", en="Unit price", unit="CNY", example=39.5, ge=0, le=1e9)]
    lead_days: Annotated[int, Field(zh="交期", en="Lead time", unit="d", example=15, ge=0, le=3650)]
    region: Annotated[str, Field(zh="所在地区", en="Region", example="台州", min_length=1, max_length=50)]
    serves: Annotated[
        list[str],
        Field(
            zh="可供应地区",
            en="Regions served",
            max_length=100,
            zh_help="空表示不限地区",
            en_help="Empty when it delivers everywhere",
        ),
    ] = field(default_factory=list)


@dataclass(frozen=True)
class Preferences:
    """What counts besides the price; all are money, so that they can be added to it."""

    lead_day_cost: Annotated[
        float, Field(zh="交期每天折算成本", en="Cost of a day of lead time", unit="CNY", example=50, ge=0, le=1e9)
    ] = 0.0
    other_region_cost: Annotated[
        float, Field(zh="跨地区折算成本", en="Cost of another region", unit="CNY", example=300, ge=0, le=1e9)
    ] = 0.0
    same_region_only: Annotated[bool, Field(zh="仅限同地区", en="Same region only")] = False


@dataclass(frozen=True)
class Reason:
    """A sentence in both languages."""

    zh: Annotated[str, Field(zh="中文", en="Chinese")]
    en: Annotated[str, Field(zh="英文", en="English")]


@dataclass(frozen=True)
class Match:
    """One demand with its offer."""

    demand: Annotated[str, Field(zh="需求编号", en="Demand id")]
    offer: Annotated[str, Field(zh="供给编号", en="Offer id")]
    amount: Annotated[float, Field(zh="成交额", en="Amount", unit="CNY")]
    cost: Annotated[float, Field(zh="综合成本", en="Cost with preferences", unit="CNY")]
    reasons: Annotated[list[Reason], Field(zh="理由", en="Reasons")]


@dataclass(frozen=True)
class Unmatched:
    """A demand or offer left over, and why."""

    id: Annotated[str, Field(zh="编号", en="Id")]
    reasons: Annotated[list[Reason], Field(zh="原因", en="Reasons")]


@dataclass(frozen=True)
class Matching:
    """The best set of matches."""

    matches: Annotated[list[Match], Field(zh="撮合结果", en="Matches")]
    unmatched_demands: Annotated[list[Unmatched], Field(zh="未满足的需求", en="Demands left over")]
    unmatched_offers: Annotated[list[Unmatched], Field(zh="未选用的供给", en="Offers left over")]
    total_amount: Annotated[float, Field(zh="成交总额", en="Total amount", unit="CNY")]
    total_cost: Annotated[float, Field(zh="综合总成本", en="Total cost with preferences", unit="CNY")]
    possible_pairs: Annotated[int, Field(zh="可行组合数", en="Pairs that meet every constraint")]


@dataclass(frozen=True)
class Pair:
    """One row with its column, counted from 0."""

    row: Annotated[int, Field(zh="行", en="Row")]
    column: Annotated[int, Field(zh="列", en="Column")]
    cost: Annotated[float, Field(zh="成本", en="Cost")]


@dataclass(frozen=True)
class Assignment:
    """The cheapest assignment of a cost matrix."""

    pairs: Annotated[list[Pair], Field(zh="指派", en="Pairs")]
    total: Annotated[float, Field(zh="总成本", en="Total cost", example=5)]
    unassigned_rows: Annotated[list[int], Field(zh="未指派的行", en="Rows left over")]
    unassigned_columns: Annotated[list[int], Field(zh="未指派的列", en="Columns left over")]
