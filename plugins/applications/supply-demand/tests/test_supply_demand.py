"""The assignment against brute force, the constraints and their reasons, and the application over HTTP."""

from __future__ import annotations

import http.client
import itertools
import json
import random
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from capmart_supply_demand import assignment, rules, server

from capmart_component import ActionError
from capmart_component.testing import call, serving

PROJECT = Path(__file__).parents[1]
MATRIX = [[4, 1, 3], [2, 0, 5], [3, 2, 2]]


def example(name: str) -> Any:
    return json.loads((PROJECT / f"examples/{name}.json").read_text("utf-8"))


def test_given_the_reference_matrix_when_assigned_then_its_total_is_five() -> None:
    result = call(rules, "assign", {"costs": MATRIX})

    assert result["total"] == 5
    assert [(pair["row"], pair["column"]) for pair in result["pairs"]] == [(0, 1), (1, 0), (2, 2)]


@pytest.mark.parametrize("name", ["motors:match", "matrix:assign"])
def test_given_an_example_of_the_manifest_when_called_then_its_output(name: str) -> None:
    file, action = name.split(":")
    assert call(rules, action, example(f"{file}.in")) == example(f"{file}.out")


def best(costs: list[list[float | None]]) -> tuple[int, float]:
    """By trying everything: most pairs, then least cost."""
    width = len(costs[0])
    choices = itertools.product(range(-1, width), repeat=len(costs))
    found = []
    for choice in choices:
        used = [column for column in choice if column >= 0]
        chosen = [costs[row][column] for row, column in enumerate(choice) if column >= 0]
        if len(set(used)) == len(used) and None not in chosen:
            found.append((-len(used), sum(cost for cost in chosen if cost is not None)))
    pairs, cost = min(found)
    return -pairs, cost


@pytest.mark.parametrize("seed", range(60))
def test_given_any_small_matrix_when_assigned_then_as_good_as_trying_everything(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 -- the same cases every time
    rows, columns = chance.randint(1, 4), chance.randint(1, 4)
    costs: list[list[float | None]] = [
        [None if chance.random() < 0.4 else float(chance.randint(-9, 99)) for _ in range(columns)] for _ in range(rows)
    ]
    pairs = assignment.assign(costs)
    chosen = [costs[row][column] for row, column in pairs]

    assert (len(pairs), sum(cost for cost in chosen if cost is not None)) == best(costs)
    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)


DEMAND: dict[str, Any] = {
    "id": "D",
    "item": "轴",
    "quantity": 10,
    "max_price": 5,
    "max_lead_days": 7,
    "region": "台州",
}
OFFER: dict[str, Any] = {"id": "S", "item": "轴", "capacity": 10, "price": 5, "lead_days": 7, "region": "台州"}


def match(demands: list[dict[str, Any]], offers: list[dict[str, Any]], **preferences: Any) -> Any:
    return call(rules, "match", {"demands": demands, "offers": offers, "preferences": preferences})


def test_given_an_offer_that_just_meets_every_bound_when_matched_then_it_is_taken() -> None:
    result = match([DEMAND], [OFFER])
    assert (result["total_amount"], result["unmatched_demands"], result["unmatched_offers"]) == (50, [], [])


@pytest.mark.parametrize(
    ("change", "preferences", "says"),
    [
        ({"item": "阀"}, {}, "no offers of this item"),
        ({"capacity": 9}, {}, "S: capacity 9 < 10"),
        ({"price": 5.01}, {}, "S: price 5.01 > 5"),
        ({"lead_days": 8}, {}, "S: lead time 8 d > 7 d"),
        ({"serves": ["宁波"]}, {}, "S: does not serve 台州"),
        ({"region": "宁波"}, {"same_region_only": True}, "S: is in 宁波; same region was asked for"),
    ],
)
def test_given_an_offer_beyond_one_bound_when_matched_then_left_over_with_that_reason(
    change: dict[str, Any], preferences: dict[str, Any], says: str
) -> None:
    result = match([DEMAND], [{**OFFER, **change}], **preferences)

    assert result["matches"] == []
    assert [reason["en"] for reason in result["unmatched_demands"][0]["reasons"]] == [says]
    assert result["unmatched_offers"][0]["reasons"][0]["zh"]


def test_given_greedy_would_lose_a_match_when_matched_then_both_demands_are_met() -> None:
    offers = [{**OFFER, "id": "cheap", "price": 1}, {**OFFER, "id": "far", "price": 4, "lead_days": 30}]
    demands = [{**DEMAND, "id": "patient", "max_lead_days": 60}, {**DEMAND, "id": "urgent"}]
    result = match(demands, offers)

    assert {(found["demand"], found["offer"]) for found in result["matches"]} == {
        ("patient", "far"),
        ("urgent", "cheap"),
    }
    assert "cheap → urgent" in result["matches"][0]["reasons"][-1]["en"]


def test_given_preferences_when_matched_then_they_decide_between_equal_prices() -> None:
    offers = [{**OFFER, "id": "away", "region": "宁波", "price": 4.9}, {**OFFER, "id": "near"}]
    assert match([DEMAND], offers)["matches"][0]["offer"] == "away"
    result = match([DEMAND], offers, other_region_cost=100)
    assert result["matches"][0]["offer"] == "near"
    assert "better for the whole" in result["unmatched_offers"][0]["reasons"][0]["en"]


def test_given_one_offer_for_two_demands_when_matched_then_the_other_hears_who_got_it() -> None:
    result = match([DEMAND, {**DEMAND, "id": "E", "quantity": 5}], [OFFER])
    assert result["unmatched_demands"][0]["reasons"][0]["en"] == "the offers that fit all went to other demands (S → E)"


@pytest.mark.parametrize(
    ("action", "given", "says"),
    [
        ("match", {"demands": [DEMAND, DEMAND], "offers": [OFFER]}, "the demand id D occurs twice"),
        ("match", {"demands": [], "offers": [OFFER]}, "demands: must have at least 1"),
        ("match", {"demands": [{**DEMAND, "quantity": 0}], "offers": [OFFER]}, "demands[0].quantity: must be ≥ 1"),
        ("assign", {"costs": [[1, 2], [3]]}, "equally long"),
        ("assign", {"costs": [[]]}, "1 to 300 columns"),
        ("assign", {"costs": [[1e13]]}, "beyond ±1e12"),
    ],
)
def test_given_input_that_cannot_be_when_called_then_refused(action: str, given: dict[str, Any], says: str) -> None:
    with pytest.raises(ActionError) as refusal:
        call(rules, action, given)
    assert says in refusal.value.en


def test_given_a_wholly_forbidden_matrix_when_assigned_then_nothing_and_everything_left_over() -> None:
    result = call(rules, "assign", {"costs": [[None, None]]})
    assert result == {"pairs": [], "total": 0, "unassigned_rows": [0], "unassigned_columns": [0, 1]}


def ask(url: str, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_given_the_application_when_asked_over_http_then_the_same_output_and_its_page() -> None:
    with serving(rules, server.PAGES) as url:
        status, body = ask(url, "POST", "/api/match", json.dumps(example("motors.in")).encode())
        assert (status, json.loads(body)) == (200, example("motors.out"))
        for path, part in (("/", b"app.js"), ("/app.js", b"api/match"), ("/app.css", b":root"), ("/texts.js", b"zh")):
            assert part in ask(url, "GET", path)[1]
        status, body = ask(url, "POST", "/api/match", b"{}")
        assert (status, json.loads(body)["en"]) == (400, "demands: is required")


def test_given_the_largest_input_when_matched_then_it_still_is_quick() -> None:
    demands = [{**DEMAND, "id": f"D{n}", "max_price": 5 + n % 7} for n in range(300)]
    offers = [{**OFFER, "id": f"S{n}", "price": 5 + n % 11} for n in range(300)]
    result = match(demands, offers)
    assert len(result["matches"]) == len({found["offer"] for found in result["matches"]}) > 100


def test_given_the_lock_when_read_then_every_line_is_hashed_and_no_host_is_named() -> None:
    lock = (PROJECT / "component.lock").read_text("utf-8")
    assert {line.split("==")[0] for line in lock.splitlines() if "==" in line} == {"numpy", "scipy"}
    assert lock.count("--hash=sha256:") > 2
    assert "://" not in lock
