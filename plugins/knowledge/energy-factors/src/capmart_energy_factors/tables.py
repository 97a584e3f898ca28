"""The factor tables: read once from the package's data files, which are the only place where a number stands."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Literal

CO2_PER_CARBON = Decimal(44) / Decimal(12)
Quantity = Literal["coal-equivalent", "co2"]


@dataclass(frozen=True)
class Carrier:
    """An energy carrier and the unit in which its factors are given."""

    code: str
    zh: str
    en: str
    unit: str
    words: str


@dataclass(frozen=True)
class Factor:
    """One factor.

    Attributes:
        value: kgce or kg CO2 for one ``carrier.unit``.
        region: code of the region it holds for; empty when it holds everywhere.
        year: the year it describes; that of the source where it does not change by year.
        default: whether it is taken when nobody chooses.
        derivation: how the value comes about, when the source gives its parts.
    """

    id: str
    quantity: Quantity
    carrier: Carrier
    value: Decimal
    region: str
    year: int
    default: bool
    source_zh: str
    source_en: str
    source_year: int
    note_zh: str
    note_en: str
    derivation: str

    @property
    def unit(self) -> str:
        """For example ``kgce/kWh``."""
        return f"{'kgce' if self.quantity == 'coal-equivalent' else 'kgCO2'}/{self.carrier.unit}"


@dataclass(frozen=True)
class Tables:
    """Everything in the data files.

    Attributes:
        units: how many of a carrier's unit one unit is, by both.
        regions: Chinese and English name, by code.
        factors: by id, in the order of the files.
    """

    carriers: dict[str, Carrier]
    units: dict[tuple[str, str], Decimal]
    regions: dict[str, tuple[str, str]]
    factors: dict[str, Factor]

    @classmethod
    def read(cls, folder: Path) -> Tables:
        """Read the tables in ``folder``."""
        carriers = {
            row["carrier"]: Carrier(row["carrier"], row["zh"], row["en"], row["unit"], row["words"])
            for row in _rows(folder / "carriers.csv")
        }
        factors = [
            *(_coal_equivalent(row, carriers) for row in _rows(folder / "coal-equivalent.csv")),
            *(_grid(row, carriers["electricity"]) for row in _rows(folder / "grid-emission.csv")),
            *(_fuel(row, carriers) for row in _rows(folder / "fuel-emission.csv")),
        ]
        return cls(
            carriers=carriers,
            units={(row["unit"], row["base"]): Decimal(row["factor"]) for row in _rows(folder / "units.csv")},
            regions={row["region"]: (row["zh"], row["en"]) for row in _rows(folder / "regions.csv")},
            factors={factor.id: factor for factor in factors},
        )


def _rows(file: Path) -> Iterator[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream, strict=True)


def _coal_equivalent(row: dict[str, str], carriers: dict[str, Carrier]) -> Factor:
    return Factor(
        id=row["id"],
        quantity="coal-equivalent",
        carrier=carriers[row["carrier"]],
        value=Decimal(row["value"]),
        region="",
        year=int(row["year"]),
        default=row["default"] == "yes",
        source_zh=row["source"],
        source_en=row["source"],
        source_year=int(row["year"]),
        note_zh=row["note_zh"],
        note_en=row["note_en"],
        derivation="",
    )


def _grid(row: dict[str, str], electricity: Carrier) -> Factor:
    return Factor(
        id=row["id"],
        quantity="co2",
        carrier=electricity,
        value=Decimal(row["value"]),
        region=row["region"],
        year=int(row["year"]),
        default=True,
        source_zh=row["source_zh"],
        source_en=row["source_en"],
        source_year=int(row["source_year"]),
        note_zh="",
        note_en="",
        derivation="",
    )


def _fuel(row: dict[str, str], carriers: dict[str, Carrier]) -> Factor:
    """A fuel's factor is its net calorific value (MJ per unit) × carbon (kg C per MJ) × share oxidised × 44/12.

    The source gives GJ/t and t C/GJ, which are the same numbers as MJ/kg and kg C/MJ. Heat has a factor as it is.
    """
    derivation = ""
    if row["value"]:
        value = Decimal(row["value"])
    else:
        energy, carbon, oxidised = (Decimal(row[n]) for n in ("net_calorific_value", "carbon_content", "oxidation"))
        value = energy * carbon * oxidised * CO2_PER_CARBON
        unit = carriers[row["carrier"]].unit
        derivation = f"{energy} MJ/{unit} × {carbon} kgC/MJ × {oxidised} × 44/12"
    return Factor(
        id=row["id"],
        quantity="co2",
        carrier=carriers[row["carrier"]],
        value=value,
        region="",
        year=int(row["source_year"]),
        default=row["default"] == "yes",
        source_zh=row["source_zh"],
        source_en=row["source_en"],
        source_year=int(row["source_year"]),
        note_zh=row["note_zh"],
        note_en=row["note_en"],
        derivation=derivation,
    )
