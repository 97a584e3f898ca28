"""The two actions: look for factors, and convert quantities with the lineage of every line."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from capmart_component import ActionError, Field, action, component, files_dir
from capmart_energy_factors.choice import Choice, choose
from capmart_energy_factors.tables import Carrier, Factor, Quantity, Tables

_KG_PER_TONNE = 1000

FactorId = Annotated[str, Field(zh="因子编号", en="Factor id", example="ce-electricity-2020", max_length=100)]
Year = Annotated[int, Field(zh="年份", en="Year", example=2022, ge=1990, le=2100)]
Region = Annotated[str, Field(zh="地区", en="Region", example="zhejiang", max_length=40)]


@dataclass(frozen=True)
class Line:
    """A quantity of one energy carrier."""

    carrier: Annotated[str, Field(zh="能源品种", en="Energy carrier", example="electricity", max_length=40)]
    quantity: Annotated[float, Field(zh="消费量", en="Quantity", example=1, ge=0, le=1e15)]
    unit: Annotated[str, Field(zh="单位", en="Unit", example="GWh", max_length=20)]
    coal_equivalent_factor: Annotated[
        str | None, Field(zh="指定折标煤系数", en="Coal-equivalent factor to use", example="ce-electricity-2020")
    ] = None
    emission_factor: Annotated[
        str | None, Field(zh="指定排放因子", en="Emission factor to use", example="co2-electricity-zhejiang-2022")
    ] = None


@dataclass(frozen=True)
class FactorView:
    """One factor with its source."""

    id: FactorId
    quantity: Annotated[Quantity, Field(zh="类别", en="Quantity")]
    carrier: Annotated[str, Field(zh="能源品种", en="Energy carrier")]
    carrier_zh: Annotated[str, Field(zh="品种中文名", en="Carrier in Chinese")]
    carrier_en: Annotated[str, Field(zh="品种英文名", en="Carrier in English")]
    region: Annotated[
        str, Field(zh="地区", en="Region", zh_help="空表示不分地区", en_help="Empty when it holds everywhere")
    ]
    year: Annotated[int, Field(zh="年份", en="Year")]
    value: Annotated[float, Field(zh="数值", en="Value")]
    unit: Annotated[str, Field(zh="单位", en="Unit")]
    derivation: Annotated[str, Field(zh="计算式", en="Derivation")]
    source_zh: Annotated[str, Field(zh="来源", en="Source in Chinese")]
    source_en: Annotated[str, Field(zh="来源（英文）", en="Source")]
    source_year: Annotated[int, Field(zh="来源年份", en="Year of the source")]
    note_zh: Annotated[str, Field(zh="说明", en="Note in Chinese")]
    note_en: Annotated[str, Field(zh="说明（英文）", en="Note")]
    default: Annotated[bool, Field(zh="默认采用", en="Used by default")]


@dataclass(frozen=True)
class Note:
    """Something the reader should know about a line."""

    zh: Annotated[str, Field(zh="中文", en="Chinese")]
    en: Annotated[str, Field(zh="英文", en="English")]


@dataclass(frozen=True)
class Converted:
    """One line with its results and where they come from."""

    carrier: Annotated[str, Field(zh="能源品种", en="Energy carrier")]
    quantity: Annotated[float, Field(zh="消费量", en="Quantity")]
    unit: Annotated[str, Field(zh="单位", en="Unit")]
    tce: Annotated[float, Field(zh="折标煤", en="Coal equivalent", unit="tce")]
    tco2: Annotated[float | None, Field(zh="二氧化碳", en="CO2", unit="t")]
    coal_equivalent_factor: Annotated[FactorView, Field(zh="折标煤系数", en="Coal-equivalent factor")]
    emission_factor: Annotated[FactorView | None, Field(zh="排放因子", en="Emission factor")]
    formulas: Annotated[list[str], Field(zh="算式", en="Formulas")]
    notes: Annotated[list[Note], Field(zh="提示", en="Remarks")]


@dataclass(frozen=True)
class Conversion:
    """All lines and their sums."""

    region: Annotated[str, Field(zh="地区", en="Region")]
    year: Annotated[int, Field(zh="年份", en="Year")]
    lines: Annotated[list[Converted], Field(zh="逐行结果", en="Line by line")]
    tce: Annotated[float, Field(zh="折标煤合计", en="Total coal equivalent", unit="tce", example=122.9)]
    tco2: Annotated[float, Field(zh="二氧化碳合计", en="Total CO2", unit="t", example=515.3)]
    complete: Annotated[
        bool,
        Field(
            zh="排放是否完整",
            en="Whether the emissions are complete",
            zh_help="为否时，有的行没有可靠的排放因子，未计入合计",
            en_help="When false, some lines have no reliable emission factor and are not in the total",
        ),
    ]


@component
class EnergyFactors:
    """The tables and what can be asked of them."""

    def __init__(self) -> None:
        self._tables = Tables.read(files_dir())

    @action(
        title_zh="查找因子",
        title_en="Search factors",
        summary_zh="按关键词、类别、品种、地区与年份查找因子，附来源、年份与说明。",
        summary_en="Factors by words, quantity, carrier, region and year, with source, year and note.",
    )
    def search(
        self,
        words: Annotated[str, Field(zh="关键词", en="Words", example="天然气", max_length=100)] = "",
        quantity: Annotated[Quantity | None, Field(zh="类别", en="Quantity")] = None,
        carrier: Annotated[str | None, Field(zh="能源品种", en="Energy carrier", max_length=40)] = None,
        region: Annotated[str | None, Field(zh="地区", en="Region", max_length=40)] = None,
        year: Annotated[int | None, Field(zh="年份", en="Year", ge=1990, le=2100)] = None,
    ) -> Annotated[list[FactorView], Field(zh="因子", en="Factors")]:
        """Factors that match everything given, in the tables' order."""
        wanted = words.casefold().split()
        return [
            _view(factor)
            for factor in self._tables.factors.values()
            if quantity in {None, factor.quantity}
            and carrier in {None, factor.carrier.code}
            and region in {None, factor.region}
            and year in {None, factor.year}
            and all(word in self._text(factor) for word in wanted)
        ]

    @action(
        title_zh="换算能源消费",
        title_en="Convert energy consumption",
        summary_zh="由能源消费量、地区与年份换算吨标准煤与吨二氧化碳，逐行给出所用因子与算式。",
        summary_en="Quantities, region and year to tce and t CO2, with factor and formula of every line.",
    )
    def convert(
        self,
        lines: Annotated[list[Line], Field(zh="能源消费", en="Consumption", min_length=1, max_length=1000)],
        region: Region,
        year: Year,
    ) -> Conversion:
        """Convert every line.

        Raises:
            ActionError: a carrier, unit, region or factor is not known; the line is named.
        """
        if region not in self._tables.regions:
            known = ", ".join(self._tables.regions)
            raise ActionError(f"没有地区 {region}；可用：{known}", f"there is no region {region}; there are: {known}")
        done: list[Converted] = []
        for number, line in enumerate(lines, start=1):
            try:
                done.append(self._convert(line, region, year))
            except ActionError as refusal:
                raise ActionError(f"第 {number} 行：{refusal.zh}", f"line {number}: {refusal.en}") from None
        return Conversion(
            region=region,
            year=year,
            lines=done,
            tce=float(sum(Decimal(str(line.tce)) for line in done)),
            tco2=float(sum(Decimal(str(line.tco2)) for line in done if line.tco2 is not None)),
            complete=all(line.tco2 is not None for line in done),
        )

    def _convert(self, line: Line, region: str, year: int) -> Converted:
        carrier = self._carrier(line.carrier)
        amount = Decimal(str(line.quantity)) * self._scale(carrier, line.unit)
        tables = self._tables
        coal = choose(tables, "coal-equivalent", carrier, wanted=line.coal_equivalent_factor, region=region, year=year)
        emission = choose(tables, "co2", carrier, wanted=line.emission_factor, region=region, year=year)
        if coal is None:
            raise ActionError(f"{carrier.zh} 没有折标煤系数", f"{carrier.en} has no coal-equivalent factor")
        tce = amount * coal.factor.value / _KG_PER_TONNE
        tco2 = None if emission is None else amount * emission.factor.value / _KG_PER_TONNE
        formulas = [_formula(amount, coal.factor, tce, "tce")]
        if emission is not None and tco2 is not None:
            formulas.append(_formula(amount, emission.factor, tco2, "tCO2"))
        return Converted(
            carrier=carrier.code,
            quantity=line.quantity,
            unit=line.unit,
            tce=float(tce),
            tco2=None if tco2 is None else float(tco2),
            coal_equivalent_factor=_view(coal.factor),
            emission_factor=None if emission is None else _view(emission.factor),
            formulas=formulas,
            notes=_notes(carrier, coal, emission),
        )

    def _carrier(self, code: str) -> Carrier:
        found = self._tables.carriers.get(code)
        if found is None:
            known = ", ".join(self._tables.carriers)
            raise ActionError(f"没有能源品种 {code}；可用：{known}", f"there is no carrier {code}; there are: {known}")
        return found

    def _scale(self, carrier: Carrier, unit: str) -> Decimal:
        found = self._tables.units.get((unit, carrier.unit))
        if found is None:
            known = ", ".join(name for name, base in self._tables.units if base == carrier.unit)
            raise ActionError(
                f"{carrier.zh} 不能用单位 {unit}；可用：{known}", f"{carrier.en} has no unit {unit}; there are: {known}"
            )
        return found

    def _text(self, factor: Factor) -> str:
        carrier, region = factor.carrier, " ".join(self._tables.regions.get(factor.region, ()))
        parts = (
            factor.id,
            carrier.code,
            carrier.zh,
            carrier.en,
            carrier.words,
            region,
            factor.source_zh,
            factor.source_en,
        )
        return " ".join(parts).casefold()


def _view(factor: Factor) -> FactorView:
    return FactorView(
        id=factor.id,
        quantity=factor.quantity,
        carrier=factor.carrier.code,
        carrier_zh=factor.carrier.zh,
        carrier_en=factor.carrier.en,
        region=factor.region,
        year=factor.year,
        value=float(factor.value),
        unit=factor.unit,
        derivation=factor.derivation,
        source_zh=factor.source_zh,
        source_en=factor.source_en,
        source_year=factor.source_year,
        note_zh=factor.note_zh,
        note_en=factor.note_en,
        default=factor.default,
    )


def _formula(amount: Decimal, factor: Factor, result: Decimal, unit: str) -> str:
    return (
        f"{amount.normalize():f} {factor.carrier.unit} × {factor.value:.6g} {factor.unit} ÷ 1000 = {result:.6g} {unit}"
    )


def _notes(carrier: Carrier, coal: Choice, emission: Choice | None) -> list[Note]:
    notes = [Note(coal.factor.note_zh, coal.factor.note_en)] if coal.factor.note_zh else []
    if emission is None:
        zh = f"{carrier.zh} 没有收录可靠的排放因子，未计排放。"
        en = f"No reliable emission factor for {carrier.en.lower()} is included; its emissions are not counted."
        return [*notes, Note(zh, en)]
    if emission.zh:
        notes.append(Note(emission.zh, emission.en))
    if emission.factor.note_zh:
        notes.append(Note(emission.factor.note_zh, emission.factor.note_en))
    return notes
