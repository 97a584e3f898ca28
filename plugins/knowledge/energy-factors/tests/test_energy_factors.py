"""Reference values, lineage, the choice of factors, refusals, and the honesty of the tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import capmart_energy_factors as component
import pytest
from capmart_energy_factors.tables import Tables

from capmart_component import ActionError
from capmart_component.testing import call

PROJECT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPMART_FILES", str(PROJECT / "files"))


def convert(*lines: dict[str, Any], region: str = "zhejiang", year: int = 2022) -> Any:
    return call(component, "convert", {"lines": list(lines), "region": region, "year": year})


def line(carrier: str, quantity: float, unit: str, **chosen: str) -> dict[str, Any]:
    return {"carrier": carrier, "quantity": quantity, "unit": unit, **chosen}


def test_given_one_gwh_in_zhejiang_when_converted_then_the_published_results() -> None:
    result = convert(line("electricity", 1, "GWh"))

    assert (result["tce"], result["tco2"], result["complete"]) == (122.9, 515.3, True)
    assert result["lines"][0]["emission_factor"]["value"] == 0.5153
    assert convert(line("electricity", 1, "GWh"), year=2021)["tco2"] == 542.2


@pytest.mark.parametrize("name", ["electricity:convert", "factory:convert", "gas:search"])
def test_given_an_example_of_the_manifest_when_called_then_its_output(name: str) -> None:
    file, action = name.split(":")
    given = json.loads((PROJECT / f"examples/{file}.in.json").read_text("utf-8"))
    assert call(component, action, given) == json.loads((PROJECT / f"examples/{file}.out.json").read_text("utf-8"))


def test_given_natural_gas_when_nothing_is_chosen_then_the_default_says_that_sources_differ() -> None:
    result = convert(line("natural-gas", 1, "万m3"))["lines"][0]

    assert result["tce"] == 13.3
    assert "1.2143" in result["notes"][0]["zh"]
    chosen = convert(line("natural-gas", 1, "万m3", coal_equivalent_factor="ce-natural-gas-gasfield-2008"))
    assert chosen["tce"] == 12.143


def test_given_a_year_without_grid_factor_when_converted_then_the_newest_before_it_and_a_remark() -> None:
    result = convert(line("electricity", 1, "MWh"), year=2025)["lines"][0]

    assert result["emission_factor"]["year"] == 2022
    assert "2025" in result["notes"][-1]["en"]


def test_given_a_carrier_without_emission_factor_when_converted_then_incomplete_and_said() -> None:
    result = convert(line("raw-coal", 1, "t"), line("electricity", 1, "MWh"))

    assert result["lines"][0]["tco2"] is None
    assert (result["complete"], result["tco2"]) == (False, 0.5153)
    assert result["tce"] == pytest.approx(0.7143 + 0.1229)


def test_given_a_fuel_when_converted_then_its_factor_shows_its_parts() -> None:
    factor = convert(line("diesel", 1, "t"))["lines"][0]["emission_factor"]

    assert factor["value"] == pytest.approx(42.652 * 0.0202 * 0.98 * 44 / 12)
    assert factor["derivation"] == "42.652 MJ/kg × 0.0202 kgC/MJ × 0.98 × 44/12"


@pytest.mark.parametrize(
    ("given", "options", "en"),
    [
        (line("peat", 1, "t"), {}, "line 1: there is no carrier peat; there are: electricity"),
        (line("electricity", 1, "t"), {}, "line 1: Electricity has no unit t; there are: kWh, MWh, 万kWh, GWh"),
        (line("electricity", 1, "kWh"), {"region": "atlantis"}, "there is no region atlantis; there are: china"),
        (line("electricity", 1, "kWh"), {"year": 2020}, "the earliest grid factor for Zhejiang is that of 2021"),
        (line("electricity", 1, "kWh", emission_factor="co2-diesel-2015"), {}, "has no such factor co2-diesel-2015"),
        (line("electricity", -1, "kWh"), {}, "lines[0].quantity: must be ≥ 0"),
    ],
)
def test_given_what_is_not_known_when_converted_then_refused_with_what_there_is(
    given: dict[str, Any], options: dict[str, Any], en: str
) -> None:
    with pytest.raises(ActionError) as refusal:
        convert(given, **options)

    assert en in refusal.value.en
    assert refusal.value.zh != refusal.value.en


@pytest.mark.parametrize(
    ("asked", "ids"),
    [
        ({"words": "浙江"}, ["co2-electricity-zhejiang-2021", "co2-electricity-zhejiang-2022"]),
        ({"words": "zhejiang", "year": 2022}, ["co2-electricity-zhejiang-2022"]),
        ({"carrier": "diesel"}, ["ce-diesel-2020", "co2-diesel-2015"]),
        ({"region": "china", "quantity": "co2", "year": 2021}, ["co2-electricity-china-2021"]),
        ({"words": "no such thing"}, []),
    ],
)
def test_given_words_and_filters_when_searched_then_what_matches(asked: dict[str, Any], ids: list[str]) -> None:
    assert [factor["id"] for factor in call(component, "search", asked)] == ids


def test_given_the_tables_when_read_then_every_factor_has_source_year_and_one_default() -> None:
    tables = Tables.read(PROJECT / "files")

    for factor in tables.factors.values():
        assert factor.value > 0
        assert factor.source_zh
        assert factor.source_en
        assert 1990 <= factor.source_year <= 2100
        assert bool(factor.note_zh) == bool(factor.note_en)
        assert not factor.region or factor.region in tables.regions
    for carrier in tables.carriers.values():
        coal = [f for f in tables.factors.values() if f.carrier == carrier and f.quantity == "coal-equivalent"]
        assert [f.default for f in coal].count(True) == 1
        assert any(base == carrier.unit for _, base in tables.units)
    lines = sum(len(file.read_text("utf-8").splitlines()) - 1 for file in (PROJECT / "files").glob("*-e*.csv"))
    assert len(tables.factors) == lines, "two factors have one id"
