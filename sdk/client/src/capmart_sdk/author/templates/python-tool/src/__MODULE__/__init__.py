"""Describes a series of measurements. Every function marked with ``@action`` is one action of the component."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from capmart_component import ActionError, Field, action


@dataclass(frozen=True)
class Description:
    """What the series looks like."""

    count: Annotated[int, Field(zh="个数", en="Count")]
    mean: Annotated[float, Field(zh="平均值", en="Mean")]
    smallest: Annotated[float, Field(zh="最小值", en="Smallest")]
    largest: Annotated[float, Field(zh="最大值", en="Largest")]
    within: Annotated[float, Field(zh="界限内占比", en="Share within the limits", unit="1")]


@action(
    title_zh="描述测量值",
    title_en="Describe measurements",
    summary_zh="个数、平均值、最小值、最大值，以及落在上下限之内的占比。",
    summary_en="Count, mean, extremes, and the share that lies within the limits.",
)
def describe(
    values: Annotated[list[float], Field(zh="测量值", en="Measurements", example=[9.8, 10.1], min_length=1)],
    lower: Annotated[float, Field(zh="下限", en="Lower limit", example=9.5)],
    upper: Annotated[float, Field(zh="上限", en="Upper limit", example=10.5)],
) -> Description:
    """Describe ``values``.

    Raises:
        ActionError: the limits are the wrong way round.
    """
    if lower > upper:
        raise ActionError(f"下限 {lower} 大于上限 {upper}", f"the lower limit {lower} is above the upper limit {upper}")
    return Description(
        count=len(values),
        mean=sum(values) / len(values),
        smallest=min(values),
        largest=max(values),
        within=sum(lower <= value <= upper for value in values) / len(values),
    )
