"""The list, a study and its trials: they show what is there, follow what happens, and run nothing that a user wrote."""

import json
import zipfile
from random import Random

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from nas.study import StudyState
from nas.trial import Trial, TrialState
from search_spaces.cost import price
from search_spaces.presets import recall_demo
from search_spaces.summary import summarise
from search_spaces.zoo import ZOO
from tests.api.conftest import Service
from tests.api.pages.conftest import ATTACK, run_study


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
