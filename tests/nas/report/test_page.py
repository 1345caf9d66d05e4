"""The page is one file: it loads nothing, runs nothing, and shows what the report holds."""

import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest

from nas.protocol import Protocol, Rung
from nas.report.document import Report
from nas.report.page import page, study_json
from nas.study import StudySpec, StudyState
from nas.tasks import MQAR
from tests.planted import Plan

ATTACK = "<img src=x onerror=alert(1)><script>alert(2)</script>&amp;{{7*7}}"


@pytest.fixture(scope="module")
def shown(reported: Callable[..., Report]) -> Report:
    plan = Plan(truth=lambda trial: 0.3 + 0.02 * trial.number, n_trials=24, noise=0.01, confirmed=4, fresh=3, failures=1)
    tasks = (MQAR(), MQAR(n_pairs=4))
    return reported(plan, name=ATTACK, protocol=Protocol(tasks=tasks, rungs=(Rung(steps=10), Rung(steps=30, replicas=2))))


class Tags(HTMLParser):
    """What a browser would see."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_nothing_is_loaded_or_run(shown: Report) -> None:
    text = page(shown)
    tags = Tags(text).tags
    assert not {tag for tag, _ in tags} & {"script", "img", "iframe", "object", "embed", "audio", "video", "base", "form"}
    addresses = [value for _, attributes in tags for name, value in attributes.items() if name in ("src", "href", "srcset")]
    assert all(address is not None and address.startswith(("#", "data:,")) for address in addresses)
    assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]
    assert not re.search(r"@import|url\(|https?://", text)


def test_what_users_wrote_is_shown_and_not_read_as_a_page(shown: Report) -> None:
    text = page(shown)
    assert "&lt;script&gt;alert(2)&lt;/script&gt;" in text
    assert "49" not in text.partition("</h1>")[0].rpartition("<h1>")[2]


def test_every_section_and_chart_is_there(shown: Report) -> None:
    text = page(shown)
    tags = Tags(text).tags
    sections = [attributes.get("id") for tag, attributes in tags if tag == "section"]
    assert sections == [
        "asked", "noise", "leaderboard", "winner", "payoff", "learning-rates", "calibration", "genes", "checklist", "replay",
    ]  # fmt: skip
    drawn = [attributes for tag, attributes in tags if tag == "svg"]
    # growth, seeds, leaders, cost, the search's curve, two pairs of rungs, effects, and small ones of learning rates
    assert len(drawn) == 8 + len(shown.rate_curves)
    assert all(attributes["role"] == "img" and attributes["aria-label"] for attributes in drawn)
    anchors = {attributes["href"] for tag, attributes in tags if tag == "a"}
    assert anchors == {f"#{section}" for section in sections}


def test_the_study_can_be_taken_from_the_page(shown: Report) -> None:
    assert StudySpec.from_json(study_json(shown.spec)) == shown.spec
    assert shown.replay.command in page(shown)


@pytest.mark.parametrize("state", [StudyState.RUNNING, StudyState.FAILED])
def test_a_study_without_a_score_has_a_page_too(reported: Callable[..., Report], state: StudyState) -> None:
    text = page(reported(None, state))
    assert "No trial has a score yet." in text
    assert "<svg" not in text


def test_one_trial_at_one_rung_has_a_page(reported: Callable[..., Report]) -> None:
    one = reported(Plan(truth=lambda _: 0.5, n_trials=1, noise=0.0), protocol=Protocol(rungs=(Rung(steps=10),)))
    text = page(one)
    assert "There is one rung so far" in text
    assert "The winner was not measured again on fresh seeds: set confirmation." in text


def test_a_page_beside_its_study_leads_back(shown: Report) -> None:
    assert 'href="/studies/x"' in page(shown, home="/studies/x")
