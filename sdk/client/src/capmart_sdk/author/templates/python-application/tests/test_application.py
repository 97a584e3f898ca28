"""The rules as the sandbox calls them, and the application over HTTP."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from capmart_component.testing import call, serving

from __MODULE__ import rules, server

EXAMPLES = Path(__file__).parents[1] / "examples"
GIVEN = json.loads((EXAMPLES / "two.in.json").read_text("utf-8"))
EXPECTED = json.loads((EXAMPLES / "two.out.json").read_text("utf-8"))


def test_given_the_example_when_called_then_its_output() -> None:
    assert call(rules, "quote", GIVEN) == EXPECTED


def test_given_the_application_when_asked_over_http_then_the_same_output_and_a_page() -> None:
    with serving(rules, server.PAGES) as url:
        request = Request(f"{url}/api/quote", json.dumps(GIVEN).encode(), {"Content-Type": "application/json"})
        with urlopen(request) as answer:
            assert json.load(answer) == EXPECTED
        with urlopen(f"{url}/") as page:
            assert b"app.js" in page.read()


def test_given_a_wrong_quantity_when_asked_over_http_then_refused_with_its_place() -> None:
    wrong = {"lines": [{"item": "x", "quantity": 0, "price": "1.00"}]}
    with serving(rules) as url, pytest.raises(HTTPError) as refusal:
        urlopen(Request(f"{url}/api/quote", json.dumps(wrong).encode(), {"Content-Type": "application/json"}))

    with refusal.value as answer:
        problem = json.load(answer)
    assert (problem["status"], problem["code"]) == (400, "input_rejected")
    assert problem["en"].startswith("lines[0].quantity")
