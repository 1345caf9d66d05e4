"""A study with baselines is several studies: made, paused and stopped together, held against each other."""

from random import Random

import pytest
from pydantic import ValidationError
from sqlalchemy import Engine

from nas.baselines import companions
from nas.errors import Conflict
from nas.ports import Batch
from nas.pricing import quote
from nas.report.document import Report
from nas.report.page import page
from nas.report.report import study_report
from nas.store.driver_store import PostgresDriverStore
from nas.store.reads import events_after, get_study, list_studies
from nas.store.submissions import set_wish, submit_study
from nas.study import Confirmation, StudyState, Wish
from nas.warm_start import WarmStart
from tests.nas import pretend
from tests.nas.driving import ME, drive, rows, runs, study_row
from tests.nas.spaces import CONDITIONAL, study


def with_random(name="searched", **settings):
    return study(name, **{"sampler": "tpe", "baselines": ("random",), **settings})


# documents


def test_a_companion_is_the_same_study_with_another_sampler():
    start = WarmStart(params=(CONDITIONAL.sample(Random(0)),))
    spec = with_random(references=("transformer",), confirmation=Confirmation(), warm_start=start)
    (companion,) = companions(spec)
    assert (companion.name, companion.sampler.name) == ("searched · random", "random")
    assert (companion.baselines, companion.references, companion.warm_start) == ((), (), WarmStart())
    same = {"space", "protocol", "objectives", "constraints", "halving", "confirmation", "budget", "seed", "cost_at", "matched"}
    assert all(getattr(companion, field) == getattr(spec, field) for field in same)


def test_a_study_without_baselines_keeps_its_digest():
    assert "baselines" not in study("plain").canonical_json()


def test_a_baseline_must_be_another_search_listed_once_with_room_for_a_name():
    with pytest.raises(ValidationError, match="is a random search itself"):
        with_random(sampler="random")
    with pytest.raises(ValidationError, match="listed twice"):
        with_random(baselines=("random", "random"))
    with pytest.raises(ValidationError, match="at most 91 characters"):
        with_random("n" * 92)
    assert len(companions(with_random("n" * 91))[0].name) == 100


def test_a_quote_counts_what_baselines_run():
    alone, together = (quote(study("priced", sampler="tpe", baselines=named), 10**9) for named in ((), ("random",)))
    assert together.runs == 2 * alone.runs
    assert together.planned_steps == 2 * alone.planned_steps
    assert together.space_size == alone.space_size


# rows


def test_submitting_makes_both_studies_linked_both_ways(engine: Engine):
    submitted = submit_study(engine, ME, with_random(), "key")
    row = study_row(engine, submitted.study_id)
    (link,) = row.baselines
    assert (link.name, link.sampler, link.state, row.accompanies) == ("searched · random", "random", "queued", None)
    other = get_study(engine, ME, link.id)
    assert other.spec == companions(with_random())[0]
    assert other.row.accompanies is not None
    assert (other.row.accompanies.id, other.row.accompanies.name, other.row.baselines) == (row.id, "searched", ())
    assert events_after(engine, ME, link.id, 0)[0].data == {"name": "searched · random", "accompanies": row.id}
    assert {listed.name: len(listed.baselines) for listed in list_studies(engine, ME).items} == {
        "searched": 1, "searched · random": 0,
    }  # fmt: skip
    again = submit_study(engine, ME, with_random(), "key")
    assert (again.study_id, again.replayed) == (row.id, True)
    assert rows(engine, "SELECT count(*) FROM nas_study")[0][0] == 2


def test_a_taken_name_of_a_baseline_makes_neither(engine: Engine):
    submit_study(engine, ME, study("searched · random"))
    with pytest.raises(Conflict, match="'searched · random', which is what its baseline would be called: give `name` another"):
        submit_study(engine, ME, with_random(), "key")
    assert [row.name for row in list_studies(engine, ME).items] == ["searched · random"]
    assert submit_study(engine, ME, with_random("free"), "key").replayed is False


def _wishes(engine: Engine):
    return dict(map(tuple, rows(engine, "SELECT name, wish FROM nas_study")))


def test_a_wish_for_a_study_is_one_for_its_baselines_and_not_the_other_way_round(engine: Engine):
    study_id = submit_study(engine, ME, with_random()).study_id
    baseline = study_row(engine, study_id).baselines[0].id
    set_wish(engine, ME, study_id, Wish.PAUSE)
    assert _wishes(engine) == {"searched": "pause", "searched · random": "pause"}
    assert [event.kind for event in events_after(engine, ME, baseline, 1)] == ["study.wish"]
    set_wish(engine, ME, study_id, Wish.RUN)
    set_wish(engine, ME, baseline, Wish.STOP)
    assert _wishes(engine) == {"searched": "run", "searched · random": "stop"}
    set_wish(engine, ME, study_id, Wish.PAUSE)
    assert _wishes(engine) == {"searched": "pause", "searched · random": "stop"}, "who stops goes on stopping"


def test_a_baseline_that_has_ended_leaves_its_study_to_its_user(engine: Engine):
    study_id = submit_study(engine, ME, with_random()).study_id
    store = PostgresDriverStore(engine)
    claims = [store.claim("driver", 60), store.claim("driver", 60)]
    ended = next(claim for claim in claims if claim is not None and claim.study_id != study_id)
    store.write(ended, Batch(sequence=1, study_state=StudyState.FAILED))
    set_wish(engine, ME, study_id, Wish.STOP)
    assert _wishes(engine) == {"searched": "stop", "searched · random": "run"}


def score_by_width(run):
    """Wide and deep is good, and nothing else matters."""
    depth, width = len(run.architecture.layers()), run.architecture.d_model
    return pretend.score_as(run, 0.3 + 0.4 * (width == 64) + 0.02 * depth + 0.001 * (run.seed % 10))


def test_a_study_and_its_baseline_run_to_their_ends_and_the_report_has_the_verdict(engine: Engine):
    study_id = submit_study(engine, ME, with_random(trials=30, eta=None, seed=3)).study_id
    drive(engine, score_by_width, n_slots=1)
    row = study_row(engine, study_id)
    assert (row.state, row.measured) == ("completed", 30)
    assert [(one.state, one.measured) for one in row.baselines] == [("completed", 30)]
    report = Report.from_json(study_report(engine, ME, study_id).to_json())
    (found,) = report.payoff.comparisons
    assert found.final
    assert found.baseline.study == row.baselines[0].id
    # three runs of one step for each trial, in both
    assert found.optimiser_steps == 90
    for taken, of in ((found.ours, study_id), (found.theirs, found.baseline.study)):
        assert taken is not None
        assert taken.value == pytest.approx(max(run.score for run in runs(engine, of) if run.rung == 2))
    assert found.superiority is not None
    assert found.superiority > 0.5
    assert found.verdict == "not_shown"
    assert "Its trials are better than random ones, but what it takes home is not told apart." in found.details
    assert found.headline in page(report)
    assert next(answer for answer in report.checklist if answer.item == 8).answer == "yes"


def test_a_report_warns_of_a_head_start_that_the_baselines_did_not_have(engine: Engine):
    start = WarmStart(params=(CONDITIONAL.sample(Random(0)),))
    for name, settings, n_warnings in (
        ("both", {"warm_start": start}, 1),
        ("cold", {}, 0),
        ("alone", {"warm_start": start, "baselines": ()}, 0),
    ):
        study_id = submit_study(engine, ME, with_random(name, **settings)).study_id
        warnings = study_report(engine, ME, study_id).warnings
        assert sum("members found elsewhere" in warning for warning in warnings) == n_warnings
