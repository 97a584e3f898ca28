"""The two actions: one period, and a table of periods and machines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from capmart_component import ActionError, Field, action
from capmart_oee.rules import Elements, elements

PlannedTime = Annotated[float, Field(zh="计划工作时间", en="Planned busy time (PBT)", unit="min", example=420, gt=0)]
ActualTime = Annotated[
    float, Field(zh="实际生产时间", en="Actual production time (APT)", unit="min", example=373, ge=0)
]
CycleTime = Annotated[
    float, Field(zh="单件理想节拍", en="Planned run time per item (PRI)", unit="s", example=1.0, gt=0, le=604_800)
]
Produced = Annotated[
    int, Field(zh="总产量", en="Produced quantity (PQ)", unit="pcs", example=19_271, ge=0, le=1_000_000_000_000)
]
Good = Annotated[
    int, Field(zh="合格品数", en="Good quantity (GQ)", unit="pcs", example=18_848, ge=0, le=1_000_000_000_000)
]


@dataclass(frozen=True)
class Note:
    """Something the reader should know about a result."""

    zh: Annotated[str, Field(zh="中文", en="Chinese")]
    en: Annotated[str, Field(zh="英文", en="English")]


@dataclass(frozen=True)
class Losses:
    """Where the planned time went; the four add up to it."""

    availability: Annotated[float, Field(zh="停机损失", en="Lost to stops", unit="min")]
    performance: Annotated[float, Field(zh="速度损失", en="Lost to speed", unit="min")]
    quality: Annotated[float, Field(zh="质量损失", en="Lost to quality", unit="min")]
    effective: Annotated[float, Field(zh="有效时间", en="Fully productive", unit="min")]


@dataclass(frozen=True)
class Effectiveness:
    """The four indicators, the time lost to each, and remarks."""

    availability: Annotated[float, Field(zh="可用率", en="Availability", unit="1", example=0.8881)]
    performance: Annotated[float, Field(zh="性能（效能）", en="Performance (effectiveness)", unit="1", example=0.8611)]
    quality: Annotated[float, Field(zh="合格率", en="Quality ratio", unit="1", example=0.9780)]
    oee: Annotated[float, Field(zh="设备综合效率", en="OEE index", unit="1", example=0.7479)]
    losses: Annotated[Losses, Field(zh="时间去向", en="Where the time went")]
    notes: Annotated[list[Note], Field(zh="提示", en="Remarks")]


@dataclass(frozen=True)
class Row:
    """One machine over one shift or other period."""

    unit: Annotated[str, Field(zh="设备", en="Work unit", example="press 3", min_length=1, max_length=100)]
    planned_busy_time: PlannedTime
    actual_production_time: ActualTime
    ideal_cycle_time: CycleTime
    produced_quantity: Produced
    good_quantity: Good
    period: Annotated[str, Field(zh="班次或时段", en="Shift or period", example="2026-01-31 A", max_length=100)] = ""


@dataclass(frozen=True)
class RowResult:
    """The indicators of one row or group."""

    unit: Annotated[str, Field(zh="设备", en="Work unit")]
    period: Annotated[str, Field(zh="班次或时段", en="Shift or period")]
    result: Annotated[Effectiveness, Field(zh="结果", en="Result")]


@dataclass(frozen=True)
class Summary:
    """Every row, every machine over all its rows, and everything together."""

    rows: Annotated[list[RowResult], Field(zh="逐行结果", en="Row by row")]
    units: Annotated[list[RowResult], Field(zh="按设备汇总，OEE 低者在前", en="By work unit, lowest OEE first")]
    total: Annotated[Effectiveness, Field(zh="合计", en="Total")]


@action(
    title_zh="计算 OEE",
    title_en="Calculate OEE",
    summary_zh="由一台设备一个时段的时间与产量，计算可用率、性能、合格率与 OEE。",
    summary_en="Availability, performance, quality and OEE of one work unit over one period.",
)
def calculate(
    planned_busy_time: PlannedTime,
    actual_production_time: ActualTime,
    ideal_cycle_time: CycleTime,
    produced_quantity: Produced,
    good_quantity: Good,
) -> Effectiveness:
    """Indicators of one work unit over one period.

    Raises:
        ActionError: more good than produced, a run longer than planned, or pieces without running time.
    """
    return _effectiveness(
        _checked(planned_busy_time, actual_production_time, ideal_cycle_time, produced_quantity, good_quantity)
    )


@action(
    title_zh="汇总 OEE",
    title_en="Summarise OEE",
    summary_zh="逐行计算班次与设备的 OEE，并按设备与总体汇总（先合计时间与数量，再计算）。",
    summary_en="OEE of every row, every work unit and all together; adds up times and quantities, averages no ratio.",
)
def summarise(
    rows: Annotated[
        list[Row], Field(zh="班次与设备表", en="Table of shifts and machines", min_length=1, max_length=10_000)
    ],
) -> Summary:
    """Indicators of a table.

    Raises:
        ActionError: a row cannot be; its number and work unit are named.
    """
    measured: list[tuple[Row, Elements]] = []
    for number, row in enumerate(rows, start=1):
        try:
            found = _checked(
                row.planned_busy_time,
                row.actual_production_time,
                row.ideal_cycle_time,
                row.produced_quantity,
                row.good_quantity,
            )
        except ActionError as refusal:
            where = f"{number} ({row.unit})"
            raise ActionError(f"第 {where} 行：{refusal.zh}", f"row {where}: {refusal.en}") from None
        measured.append((row, found))
    units: dict[str, Elements] = {}
    for row, found in measured:
        units[row.unit] = units[row.unit] + found if row.unit in units else found
    whole = list(units.values())
    total = sum(whole[1:], start=whole[0])
    return Summary(
        rows=[RowResult(row.unit, row.period, _effectiveness(found)) for row, found in measured],
        units=[
            RowResult(unit, "", _effectiveness(found))
            for unit, found in sorted(units.items(), key=lambda pair: (pair[1].oee, pair[0]))
        ],
        total=_effectiveness(total),
    )


def _checked(planned: float, actual: float, cycle_s: float, produced: int, good: int) -> Elements:
    if good > produced:
        raise ActionError(
            f"合格品数 {good} 大于总产量 {produced}",
            f"the good quantity {good} is greater than the produced quantity {produced}",
        )
    if actual > planned:
        raise ActionError(
            f"实际生产时间 {actual} 分钟大于计划工作时间 {planned} 分钟；计划外加班请计入计划时间",
            f"the actual production time {actual} min is longer than the planned busy time {planned} min; "
            "count overtime as planned time",
        )
    if actual == 0 and produced > 0:
        raise ActionError(
            f"实际生产时间为 0，却有产量 {produced}", f"{produced} pieces were produced in no actual production time"
        )
    return elements(planned, actual, cycle_s, produced, good)


def _effectiveness(found: Elements) -> Effectiveness:
    return Effectiveness(
        availability=found.availability,
        performance=found.performance,
        quality=found.quality,
        oee=found.oee,
        losses=Losses(
            availability=found.planned - found.actual,
            performance=found.actual - found.ideal,
            quality=found.ideal - found.ideal_good,
            effective=found.ideal_good,
        ),
        notes=_notes(found),
    )


def _notes(found: Elements) -> list[Note]:
    notes: list[Note] = []
    if found.performance > 1:
        notes.append(
            Note(
                "性能大于 1：请核对单件理想节拍是否偏长，或时间与产量是否属于同一时段。",
                "Performance is above 1: check whether the ideal cycle time is too long, or whether times and "
                "quantities belong to the same period.",
            )
        )
    if found.produced == 0:
        notes.append(Note("没有产量，合格率按 0 计。", "Nothing was produced; quality counts as 0."))
    return notes
