"""What the application does, free of HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated

from capmart_component import Field, action

_CENT = Decimal("0.01")


@dataclass(frozen=True)
class Line:
    """One line of a quotation."""

    item: Annotated[str, Field(zh="品目", en="Item", example="阀体 / valve body", min_length=1, max_length=100)]
    quantity: Annotated[int, Field(zh="数量", en="Quantity", unit="pcs", example=10, ge=1, le=1_000_000)]
    price: Annotated[Decimal, Field(zh="单价", en="Unit price", unit="CNY", example="12.50", ge=0)]


@dataclass(frozen=True)
class Quotation:
    """What it costs."""

    subtotal: Annotated[Decimal, Field(zh="小计", en="Subtotal", unit="CNY")]
    discount: Annotated[Decimal, Field(zh="折扣额", en="Discount", unit="CNY")]
    total: Annotated[Decimal, Field(zh="合计", en="Total", unit="CNY")]


@action(
    title_zh="报价",
    title_en="Quote",
    summary_zh="合计明细行，并计入折扣。",
    summary_en="Adds up the lines and takes off the discount.",
)
def quote(
    lines: Annotated[list[Line], Field(zh="明细", en="Lines", min_length=1, max_length=1000)],
    discount: Annotated[float, Field(zh="折扣率", en="Discount rate", unit="%", example=5, ge=0, le=100)] = 0.0,
) -> Quotation:
    """Add up ``lines`` and take off ``discount`` per cent, rounded to cents."""
    subtotal = sum((line.price * line.quantity for line in lines), start=Decimal(0)).quantize(_CENT, ROUND_HALF_UP)
    taken = (subtotal * Decimal(str(discount)) / 100).quantize(_CENT, ROUND_HALF_UP)
    return Quotation(subtotal, taken, subtotal - taken)
