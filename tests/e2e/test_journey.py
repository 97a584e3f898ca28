"""The journey with its numbers, then the portal as people see it, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.journey.narration import Narrator
from tests.journey.travel import PROVINCE, REVIEWER_PASSWORD, Journey
from tests.support.center import RunningCenter

pytestmark = [pytest.mark.xdist_group("journey"), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    travelled = Journey(tmp_path_factory.mktemp("journey") / "run", Narrator("en"))
    try:
        travelled.travel()
        yield travelled
    finally:
        travelled.stop()


def _province(journey: Journey) -> RunningCenter:
    assert journey.province is not None
    return journey.province


def test_given_the_whole_journey_then_each_component_answers_what_was_published_of_it(journey: Journey) -> None:
    assert round(journey.answers["capmart/oee"][0], 4) == 0.7479
    assert round(journey.answers["capmart/energy-factors"][0], 1) == 515.3
    assert journey.answers["capmart/supply-demand"] == [5.0]


@pytest.mark.browser
def test_given_listed_components_when_a_person_searches_then_the_portal_shows_them_in_both_languages(
    journey: Journey, page: Page
) -> None:
    page.context.set_extra_http_headers({"Accept-Language": "zh-CN"})
    page.goto(_province(journey).url)
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page.locator(".card")).to_have_count(3)
    page.get_by_role("searchbox").fill("设备综合效率")
    page.get_by_role("button", name="搜索").click()
    page.get_by_role("link", name="设备综合效率", exact=False).first.click()
    expect(page.locator("main")).to_contain_text(PROVINCE)
    expect(page.locator("main")).to_contain_text("capmart install capmart/oee")
    page.get_by_role("button", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator("main")).to_contain_text("Provenance")


@pytest.mark.browser
def test_given_a_reviewer_when_signed_in_then_the_review_desk_opens_and_only_then(journey: Journey, page: Page) -> None:
    url = _province(journey).url
    page.context.set_extra_http_headers({"Accept-Language": "en"})
    page.goto(f"{url}/review")
    assert "/sign-in" in page.url
    page.get_by_label("Account").fill("reviewer")
    page.get_by_label("Password").fill("not the password")
    page.locator("main").get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Password").fill(REVIEWER_PASSWORD)
    page.locator("main").get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{url}/review")
    page.goto(f"{url}/review?state=listed")
    expect(page.locator("tbody tr")).to_have_count(3)
    page.locator("tbody a").first.click()
    expect(page.locator("main")).to_contain_text("Difference to the last version")
