"""The pages in a real browser: they show what is there, follow what happens, and run nothing that a user wrote."""

import json
import shutil
import zipfile
from collections.abc import Iterator
from functools import partial
from random import Random
from typing import Any, Literal
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, Route, expect, sync_playwright

from api.security import SESSION_COOKIE
from nas.store.sessions import open_session
from nas.study import StudyState
from nas.trial import Trial, TrialState
from search_spaces.cost import price
from search_spaces.presets import recall_demo
from search_spaces.summary import summarise
from search_spaces.zoo import ZOO
from tests.api.conftest import Service
from tests.api.seeding import Driver
from tests.planted import Plan, plant

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ATTACK = "<img src=x onerror=alert(1)><script>alert(2)</script>&amp;{{7*7}}"
REFERENCES = ("transformer", "mamba2")
COMPARED = "/compare?a=ID/5&b=zoo:jamba"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="the pages are tested in chromium, which is not installed")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield made
        made.close()


@pytest.fixture
def trouble() -> list[str]:
    """What a browser complained about or asked other hosts for. Empty at the end of every test."""
    return []


def _refuse(trouble: list[str], route: Route) -> None:
    trouble.append(route.request.url)
    route.abort()


def _note_complaint(trouble: list[str], message: ConsoleMessage) -> None:
    if message.type in ("error", "warning"):
        trouble.append(message.text)


def _dismiss(trouble: list[str], dialog: Dialog) -> None:
    trouble.append(dialog.message)
    dialog.dismiss()


@pytest.fixture
def context(browser: Browser, service: Service, trouble: list[str]) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport={"width": 1280, "height": 900})
    made.set_default_timeout(15_000)
    made.route(lambda url: not url.startswith(service.url), partial(_refuse, trouble))
    made.on("console", partial(_note_complaint, trouble))
    made.on("weberror", lambda error: trouble.append(str(error.error)))
    made.on("dialog", partial(_dismiss, trouble))
    yield made
    made.close()
    assert trouble == []


@pytest.fixture(scope="module")
def visitor(service: Service) -> str:
    """The key of the one whose studies these are."""
    return service.key("visitor")


@pytest.fixture
def page(context: BrowserContext, service: Service, visitor: str) -> Page:
    """A page of the visitor, signed in."""
    token = open_session(service.engine, visitor)
    context.add_cookies([{"name": SESSION_COOKIE, "value": token, "url": service.url, "httpOnly": True, "sameSite": "Strict"}])
    return context.new_page()


def run_study(service: Service, key: str, name: str, n_trials: int, **fields: Any) -> tuple[str, Driver]:
    spec = {"name": name, "space": {"preset": "recall_demo"}, "references": REFERENCES, "objectives": ["score", "params"]}
    spec |= fields
    with service.client(key) as client:
        study_id: str = client.post("/v1/studies", json=spec).json()["row"]["id"]
    driver = Driver(service.engine, study_id)
    driver.become(StudyState.RUNNING, ATTACK)
    if n_trials:
        driver.add_trials(n_trials, REFERENCES)
    driver.write(events=(driver.event("trial.state", reason=ATTACK),))
    return study_id, driver


@pytest.fixture(scope="module")
def study(service: Service, visitor: str) -> str:
    """The path of a running study with an evil name and trials. Tests leave it as it is."""
    return f"/studies/{run_study(service, visitor, ATTACK, 70)[0]}"


@pytest.fixture(scope="module")
def reported(service: Service, visitor: str) -> str:
    """The path of an ended study with something in every section of its report, whose first rung misleads."""
    protocol = {
        "rungs": [{"steps": 10}, {"steps": 30, "replicas": 2}],
        "tasks": [{"name": "mqar"}, {"name": "mqar", "n_pairs": 4}],
    }
    spec = {"name": "reported", "space": {"preset": "recall_demo"}, "references": REFERENCES, "protocol": protocol}
    beside = {"baselines": ["random"], "objectives": ["score", "params"]}
    with service.client(visitor) as client:
        row = client.post("/v1/studies", json=spec | beside).json()["row"]
    study_id: str = row["id"]
    driver, baseline = Driver(service.engine, study_id), Driver(service.engine, row["baselines"][0]["id"])
    for each in (driver, baseline):
        each.become(StudyState.RUNNING)
    plan = Plan(
        truth=lambda trial: 0.03 * trial.number,
        seen=lambda rung, truth: truth if rung else 1 - truth,
        n_trials=25,
        confirmed=3,
        fresh=3,
        failures=1,
        noise=0.02,
    )
    plant(driver, plan)
    plant(baseline, Plan(truth=lambda trial: 0.01 * trial.number, n_trials=25, noise=0.02))
    for each in (driver, baseline):
        each.become(StudyState.COMPLETED)
    return f"/studies/{study_id}"


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


def test_a_link_with_a_key_signs_in_and_hides_the_key(context: BrowserContext, service: Service, visitor: str):
    page = context.new_page()
    page.goto(f"{service.url}/login#{visitor}")
    expect(page.get_by_role("heading", name="Studies", exact=True)).to_be_visible()
    assert "nas_" not in page.url
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()


@pytest.mark.usefixtures("study")
def test_the_list_leads_to_the_study_and_the_study_to_its_trials(page: Page, service: Service):
    page.goto(service.url)
    page.get_by_role("link", name=ATTACK).click()
    expect(page.get_by_role("heading", name=ATTACK)).to_be_visible()
    page.get_by_role("group", name="Leaderboard").get_by_role("rowgroup").nth(1).get_by_role("link").click()
    expect(page.get_by_role("heading", name="Trial")).to_be_visible()
    expect(page.get_by_text("of mixers")).to_be_visible()
    expect(page.get_by_text("edge of grid").first).to_be_visible()


def test_the_study_shows_rows_references_and_the_plot(page: Page, service: Service, study: str):
    page.goto(service.url + study)
    rows = page.get_by_role("group", name="Leaderboard").get_by_role("rowgroup")
    expect(rows).to_have_count(51)
    expect(rows.nth(1)).to_contain_text("◆")
    expect(page.locator("#plot g.trace.scatter")).to_have_count(3)
    expect(page.locator("#plot .points path.point")).to_have_count(70)
    expect(page.locator("#plot .errorbar").first).to_be_visible()
    expect(page.get_by_text("70 trials are drawn")).to_be_visible()
    page.locator("#plot .points path.point").nth(10).hover(force=True)
    expect(page.locator("#plot .hovertext")).to_contain_text("rung 0")
    page.get_by_role("combobox").select_option("state_bytes")
    expect(page.locator("#plot .xtitle")).to_have_text("Decode state, bytes")
    page.get_by_role("link", name="References").click()
    expect(rows).to_have_count(3)
    expect(rows.nth(1)).to_contain_text("reference")


def test_a_trial_shows_genes_in_the_order_of_decision_and_kinds_before_their_knobs(page: Page, service: Service, study: str):
    page.goto(f"{service.url}{study}/trials/5")
    assert page.locator("dt").all_inner_texts()[:2] == ["d_model", "depth"]
    expect(page.get_by_text("Decode state after 4,096 tokens")).to_be_visible()
    page.goto(f"{service.url}{study}/trials/0")
    attention = json.loads(page.locator("pre").inner_text())["core"][0]["mixers"][0]
    assert list(attention) == ["kind", "head_dim", "n_heads", "n_kv_heads"]


def test_a_trial_shows_what_each_learning_rate_gave_and_every_metric(page: Page, service: Service, study: str):
    page.goto(f"{service.url}{study}/trials/5")
    rates = page.get_by_role("group", name="Learning rates").get_by_role("row")
    expect(rates).to_have_count(5)
    expect(rates.nth(1)).to_have_text("mqar accuracy, spread over the rates 0.2500")
    expect(rates.nth(2)).to_contain_text("0.001 chosen edge of grid")
    expect(rates.nth(3)).not_to_contain_text("chosen")
    assert rates.nth(4).get_by_role("cell").all_inner_texts() == ["0.01", "–", "–", "1", "1"]
    metrics = page.get_by_role("group", name="Metrics")
    expect(metrics.get_by_role("row", name="joules_per_token")).to_contain_text("1.25 mJ/token")
    expect(metrics.get_by_role("row", name="peak_memory_bytes")).to_contain_text("1 B")
    expect(metrics).not_to_contain_text("prefill_seconds")


def test_a_trial_is_compared_with_what_a_person_names(page: Page, service: Service, study: str, trouble: list[str]):
    page.goto(f"{service.url}{study}/trials/5")
    page.get_by_role("link", name="Compare with").click()
    page.get_by_label("Second").fill("zoo:jamba")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", name="Layer by layer")).to_be_visible()
    expect(page.get_by_role("link", name=f'trial 5 of "{ATTACK}"')).to_be_visible()
    expect(page.get_by_role("group", name="Both")).to_contain_text("7 mamba")
    expect(page.locator("#verdict")).to_have_text("Scores belong to trials; this compares structure and cost.")
    expect(page.get_by_role("group", name="Cost by context").get_by_role("row")).to_have_count(5)
    expect(page.locator(".layers .only_b, .layers .changed").first).to_be_visible()
    page.get_by_label("Second").fill("zoo:mambo")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("alert")).to_contain_text("did you mean 'mamba'")
    expect(page.get_by_label("First")).to_have_value(f"{study.rpartition('/')[2]}/5")
    # the browser's console tells of the 404
    assert len(trouble) == 1
    trouble.clear()


def test_rows_of_the_leaderboard_are_compared_with_the_first(page: Page, service: Service, study: str):
    page.goto(service.url + study)
    board = page.get_by_role("group", name="Leaderboard").get_by_role("rowgroup")
    expect(board.nth(1).get_by_role("link", name="compare")).to_have_count(0)
    board.nth(3).get_by_role("link", name="compare").click()
    expect(page.locator("#verdict")).to_contain_text("95 % intervals")


def test_a_trial_is_taken_home_in_any_form_that_it_can_take(page: Page, service: Service, study: str):
    page.goto(f"{service.url}{study}/trials/0")
    home = page.get_by_role("region", name="Take it home")
    expect(home.get_by_role("link", name="Download native as tar")).to_be_visible()
    expect(home.get_by_role("link", name="Download bundle as zip")).to_have_count(0)
    expect(home.get_by_text("Not possible: a bundle is of a scored trial")).to_be_visible()
    with page.expect_download() as download:
        home.get_by_role("link", name="Download native as zip").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert {"config.json", "export.json"} <= set(archive.namelist())
    page.goto(f"{service.url}{study}/trials/5")
    reasons = home.locator("details").first
    expect(reasons.get_by_role("listitem").first).to_be_hidden()
    reasons.locator("summary").click()
    expect(reasons.get_by_text("llama", exact=True)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280


def test_what_users_wrote_is_never_run(page: Page, service: Service, study: str):
    page.goto(service.url + study)
    expect(page.get_by_text(ATTACK).first).to_be_visible()
    expect(page.locator("#events")).to_contain_text(ATTACK)
    expect(page.locator("#status")).to_contain_text(ATTACK)
    expect(page.locator("img[src=x]")).to_have_count(0)
    assert ATTACK in page.title()


def test_the_study_follows_what_happens(page: Page, service: Service, visitor: str):
    study_id, driver = run_study(service, visitor, "to be followed", 3)
    page.goto(f"{service.url}/studies/{study_id}")
    expect(page.locator("#status").get_by_role("status")).to_have_text("Live")
    expect(page.locator("#status .state")).to_have_text("running")
    driver.become(StudyState.FAILED, "the disk is full")
    expect(page.locator("#status .state")).to_have_text("failed")
    expect(page.locator("#status")).to_contain_text("the disk is full")
    expect(page.get_by_role("status")).to_have_text("Ended")


def test_a_study_is_paused_and_resumed_from_its_page(page: Page, service: Service, visitor: str):
    page.goto(f"{service.url}/studies/{run_study(service, visitor, 'to be paused', 3)[0]}")
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()


def test_sorting_and_paging_need_no_script(browser: Browser, service: Service, visitor: str, study: str):
    context = browser.new_context(java_script_enabled=False, extra_http_headers={"Authorization": f"Bearer {visitor}"})
    page = context.new_page()
    page.goto(service.url + study)
    page.get_by_role("link", name="Parameters").click()
    expect(page.locator("th[aria-sort=ascending]")).to_have_text("Parameters")
    page.get_by_role("link", name="Parameters").click()
    expect(page.locator("th[aria-sort=descending]")).to_have_text("Parameters")
    page.get_by_role("link", name="Next page").click()
    expect(page.get_by_role("group", name="Leaderboard").get_by_role("rowgroup")).to_have_count(21)
    page.get_by_role("link", name="First page").click()
    expect(page.get_by_role("group", name="Leaderboard").get_by_role("rowgroup")).to_have_count(51)
    context.close()


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


def test_references_that_were_not_trained_are_named(page: Page, service: Service, visitor: str):
    study_id, driver = run_study(service, visitor, "constrained", 0)
    architecture = ZOO["transformer"].build()
    driver.write(
        trials=(
            Trial(
                number=0,
                state=TrialState.INFEASIBLE,
                params={},
                architecture=architecture,
                summary=summarise(architecture),
                cost=price(architecture, driver.claim.spec.cost_at.context),
                reference="transformer",
                reason="params is above 5",
            ),
        )
    )
    page.goto(f"{service.url}/studies/{study_id}")
    expect(page.locator("#board")).to_contain_text("transformer (params is above 5)")
    page.get_by_role("link", name="transformer").click()
    expect(page.get_by_role("heading", name="transformer")).to_be_visible()


def test_what_a_warm_start_gave_is_marked(page: Page, service: Service, visitor: str):
    given = recall_demo().sample(Random(7))
    study_id, _ = run_study(service, visitor, "warm", 6, warm_start={"params": [given]})
    page.goto(f"{service.url}/studies/{study_id}")
    rows = page.get_by_role("group", name="Leaderboard").get_by_role("rowgroup")
    expect(rows.filter(has_text="warm start")).to_have_count(1)
    expect(rows.filter(has_text="reference")).to_have_count(2)
    rows.get_by_role("link", name="#2", exact=True).click()
    expect(page.get_by_role("heading", name="Trial 2")).to_contain_text("warm start")


def test_a_refused_stream_is_no_end_of_the_study(page: Page, service: Service, visitor: str, trouble: list[str]):
    study_id, _ = run_study(service, visitor, "crowded", 3)
    page.route("**/events?*", lambda route: route.fulfill(status=429))
    page.goto(f"{service.url}/studies/{study_id}")
    expect(page.get_by_role("status")).to_have_text("Waiting to follow again")
    # the browser's console tells of the 429
    assert len(trouble) == 1
    trouble.clear()


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


def test_pages_without_a_session_lead_to_the_login(context: BrowserContext, service: Service, study: str):
    page = context.new_page()
    page.goto(service.url + study)
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    assert quote(study, safe="") in page.url


def test_a_login_leads_to_the_comparison_that_was_asked_for(context: BrowserContext, service: Service, visitor: str):
    page = context.new_page()
    page.goto(f"{service.url}/compare?a=zoo:mamba&b=zoo:samba")
    page.get_by_label("API key").fill(visitor)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Layer by layer")).to_be_visible()
    assert page.url.endswith("/compare?a=zoo:mamba&b=zoo:samba")


def test_a_study_of_somebody_else_is_not_there(service: Service, study: str):
    with service.client(service.key("stranger")) as client:
        response = client.get(study, headers={"Accept": "text/html"})
    assert response.status_code == 404
    assert "text/html" in response.headers["Content-Type"]
    assert "There is no such thing" in response.text


def test_assets_are_kept_for_ever_and_nothing_else_is_served(service: Service):
    with service.client() as client:
        text = client.get("/login").text
        link = text.partition('stylesheet" href="')[2].partition('"')[0]
        response = client.get(link)
        assert "immutable" in response.headers["Cache-Control"]
        assert response.headers["Content-Encoding"] == "gzip"
        plain = client.get(link, headers={"Accept-Encoding": "identity"})
        assert "Content-Encoding" not in plain.headers
        assert plain.text == response.text
        for path in ("/static/style.css", "/static/..%2fviews.py", "/static/%2e%2e/views.py", "/static/"):
            assert client.get(path).status_code == 404
