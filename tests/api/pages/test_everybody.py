"""Everybody can use the pages: on a phone, by keyboard, with a screen reader, in light and dark."""

from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.api.conftest import Service

COMPARED = "/compare?a=ID/5&b=zoo:jamba"


def address(path: str, study: str, reported: str = "") -> str:
    """A path in which STUDY stands for the study's page, REPORTED for that of one with a whole report, and ID for an id."""
    return path.replace("STUDY", study).replace("REPORTED", reported).replace("ID", study.rpartition("/")[2])


@pytest.mark.parametrize("path", ["/", "STUDY", "STUDY/trials/0", "STUDY/report", "/compare", COMPARED])
def test_nothing_is_wider_than_a_phone(page: Page, service: Service, study: str, path: str):
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(service.url + address(path, study))
    expect(page.get_by_role("heading").first).to_be_visible()
    for part in ("body", "main", "header"):
        box = page.locator(part).first.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= 360
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("width", [360, 1280])
def test_no_cell_of_the_leaderboard_is_cut(page: Page, service: Service, study: str, width: int):
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(service.url + study)
    board = page.get_by_role("group", name="Leaderboard")
    expect(board.get_by_role("rowgroup")).to_have_count(51)
    assert (
        board.evaluate("it => [...it.querySelectorAll('th, td')].filter(cell => cell.scrollWidth > cell.clientWidth).length")
        == 0
    )
    # a phone scrolls the table; a common screen shows all of it
    if width == 1280:
        assert board.evaluate("it => it.scrollWidth - it.clientWidth") == 0


def test_the_keyboard_reaches_everything(page: Page, service: Service, study: str):
    page.goto(service.url + study)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    reached = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.add(page.locator(":focus").inner_text())
    assert {"Pause", "Stop", "Pareto front", "Parameters"} <= {text.strip() for text in reached}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "path",
    [
        "/login",
        "/",
        "STUDY",
        "STUDY/trials/0",
        "REPORTED/report",
        "REPORTED",
        "/studies/none",
        COMPARED,
        "/compare?a=?&b=zoo:mamba",
    ],
)
def test_pages_are_accessible(
    browser: Browser,
    service: Service,
    visitor: str,
    study: str,
    reported: str,
    path: str,
    scheme: Literal["light", "dark"],
):
    # axe is injected as a script, which the pages' policy forbids
    context = browser.new_context(
        color_scheme=scheme, bypass_csp=True, extra_http_headers={"Authorization": f"Bearer {visitor}"}
    )
    page = context.new_page()
    page.goto(service.url + address(path, study, reported))
    expect(page.get_by_role("heading").first).to_be_visible()
    found = Axe().run(page)
    context.close()
    assert found.violations_count == 0, found.generate_report()
