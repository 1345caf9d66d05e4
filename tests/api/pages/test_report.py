"""The report, and what leads to it."""

import pytest
from playwright.sync_api import Page, expect

from tests.api.conftest import Service


def test_a_study_and_its_baseline_lead_to_each_other_and_to_the_verdict(page: Page, service: Service, reported: str):
    page.goto(service.url + reported)
    expect(page.locator("#board")).to_contain_text("random search at the same cost")
    expect(page.locator("#facts")).to_contain_text("random completed, 25 of 20")
    page.get_by_role("link", name="random", exact=True).click()
    expect(page.get_by_role("heading", name="reported · random")).to_be_visible()
    page.get_by_role("link", name="reported", exact=True).click()
    page.get_by_role("link", name="Curves").click()
    expect(page.get_by_role("heading", name="Did the search pay?")).to_be_in_viewport()
    expect(page.locator("#payoff figure")).to_have_count(2)
    page.goto(service.url)
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="reported · random", exact=True))
    expect(row).to_contain_text("baseline of reported")


def test_the_report_is_led_to_and_runs_nothing(page: Page, service: Service, reported: str):
    page.goto(service.url + reported)
    note = page.locator("#board .note")
    expect(note).to_contain_text("Rung 0 ranks worse than the parameter count alone")
    row = page.get_by_role("group", name="Leaderboard").get_by_role("rowgroup").nth(1)
    expect(row.get_by_title("Trials of one group are not told apart by the data")).to_have_text("1")
    page.get_by_role("link", name="Report: what this study may claim").click()
    expect(page.get_by_role("heading", name="The winner, measured again")).to_be_visible()
    expect(page.locator("script")).to_have_count(0)
    expect(page.locator("svg")).to_have_count(15)
    page.get_by_role("link", name="Back to the study").click()
    expect(page.get_by_role("heading", name="reported")).to_be_visible()


@pytest.mark.parametrize("width", [390, 1280])
def test_the_report_is_readable_on_a_phone_and_on_a_screen(page: Page, service: Service, reported: str, width: int):
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{service.url}{reported}/report")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    # what a drawing's text measures on the screen
    sizes = page.evaluate("[...document.querySelectorAll('svg text')].map(it => it.getBoundingClientRect().height)")
    assert min(sizes) >= 9
    # nothing that is written stands on top of something else that is written
    cut = page.evaluate(
        "[...document.querySelectorAll('svg')].filter(it => [...it.querySelectorAll('text')].some(text => "
        "text.getBoundingClientRect().left < it.getBoundingClientRect().left - 12)).length"
    )
    assert cut == 0
