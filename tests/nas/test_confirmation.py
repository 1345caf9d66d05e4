"""Who is confirmed, for how long, and what fresh seeds say: rules first, then the driver."""

import time
from collections import Counter
from contextlib import suppress
from random import Random

import pytest
from scipy import stats

from nas.confirmation import next_seeds, told_apart
from nas.pricing import quote
from nas.seeds import fresh_seed
from nas.statistics.intervals import mean_interval
from nas.store.driver_store import PostgresDriverStore
from nas.store.reads import get_trial
from nas.store.submissions import set_wish
from nas.study import Confirmation, Wish
from tests.nas import pretend
from tests.nas.driving import (
    ME,
    FaultyStore,
    Hurried,
    Killed,
    assert_sound,
    drive,
    driver,
    nth,
    runs,
    study_row,
    submit,
    trials,
)
from tests.nas.spaces import study

# rules


@pytest.mark.parametrize("seed", range(40))
def test_told_apart_is_welch_of_scipy(seed):
    rng = Random(seed)
    one, other = ([rng.gauss(mean, 0.1) for _ in range(rng.randint(2, 8))] for mean in (0.5, 0.5 + rng.random() / 3))
    p_value = stats.ttest_ind(one, other, equal_var=False).pvalue
    assert told_apart(one, other) == (p_value < 0.05)


def test_told_apart_without_spread():
    assert told_apart([0.5, 0.5], [0.6, 0.6])
    assert not told_apart([0.5, 0.5], [0.5, 0.5])
    assert not told_apart([0.1], [0.9, 0.9])


def test_seeds_go_where_they_decide_something():
    scores = {0: [0.90, 0.91], 1: [0.89, 0.92], 2: [0.10, 0.11]}
    assert list(next_seeds({number: [] for number in scores}, first=2, most=5)) == [0, 1, 2]
    assert list(next_seeds({**scores, 1: [0.89]}, first=2, most=5)) == [1]
    assert list(next_seeds(scores, first=2, most=5)) == [0, 1], "the third is out of the question"
    assert list(next_seeds({**scores, 0: [0.90, 0.91, 0.90]}, first=2, most=5)) == [1], "whatever one of them says by now"
    near = {0: [0.90, 0.92, 0.91], 1: [0.89, 0.91, 0.90], 2: [0.10, 0.11]}
    assert list(next_seeds(near, first=2, most=5)) == [0, 1]
    assert list(next_seeds(near, first=2, most=3)) == []
    apart = {0: [0.90, 0.92, 0.91], 1: [0.87, 0.89, 0.88]}
    assert list(next_seeds({n: values[:2] for n, values in apart.items()}, first=2, most=5)) == [0, 1]
    assert list(next_seeds(apart, first=2, most=5)) == [], "the third seed has told them apart"
    assert list(next_seeds(scores, first=2, most=2)) == []
    assert list(next_seeds({4: [0.5, 0.6]}, first=2, most=9)) == [], "one alone is the best"


def test_quote_counts_fresh_seeds():
    spec = study(trials=9, references=("transformer",), confirmation=Confirmation(seeds=4, leaders=3))
    without, priced = quote(spec.model_copy(update={"confirmation": None}), 10**9), quote(spec, 10**9)
    assert priced.runs - without.runs == (3 + 1) * 4
    assert priced.optimiser_steps - without.optimiser_steps == (3 + 1) * 4 * 90
    # one of nine reaches the last rung
    assert priced.planned_runs - without.planned_runs == (1 + 1) * 2


# the driver


def evaluate(run):
    """A score with seed noise, and twice as good for every third trial; fresh seeds tell the two groups apart."""
    noise = (run.seed % 1009) / 1009
    return pretend.score_as(run, 0.4 * (1 + (run.number % 3 == 0)) + 0.02 * noise)


CONFIRMED = Confirmation(seeds=4, leaders=4)


def test_driver_confirms_leaders_and_references_with_fresh_seeds(engine):
    spec = study(trials=9, eta=None, references=("transformer", "mamba2"), confirmation=CONFIRMED)
    study_id = submit(engine, spec)
    seen = []

    def watched(run):
        seen.append(run)
        return evaluate(run)

    drive(engine, watched)
    assert_sound(engine, study_id, spec)
    everybody = [trial for trial in trials(engine, study_id) if trial.twin is None]
    confirmed = {trial.number: trial for trial in everybody if trial.rung == 3}
    assert {0, 1} < confirmed.keys()
    assert len(confirmed) == 2 + 4
    assert {trial.state for trial in everybody} == {"completed"}
    by_search = sorted(
        (run for run in runs(engine, study_id) if run.rung == 2 and run.number > 1), key=lambda run: -run.validation_score
    )
    assert {run.number for run in by_search[:4]} == confirmed.keys() - {0, 1}
    fresh = [run for run in seen if run.rung > 2]
    assert {(run.number, run.rung): run.seed for run in fresh} == {
        (run.number, run.rung): fresh_seed(spec.seed, run.number, run.rung - 3) for run in fresh
    }
    assert all(run.resume is None and run.rates == {"mqar": 1e-3} for run in fresh)
    n_seeds = Counter(run.number for run in fresh)
    assert n_seeds[1] == 2, "a reference that is far behind"
    assert max(n_seeds.values()) > 2
    for number, trial in confirmed.items():
        scores = [run.score for run in runs(engine, study_id) if run.number == number and run.rung > 2]
        assert trial.score == pytest.approx(sum(scores) / len(scores))
        assert (trial.n_replicas, trial.interval) == (len(scores), "replicas")
        # the test sample has its share, the error that every pretended run reports
        interval = mean_interval(scores, 0.01).within(0, 1)
        assert [trial.score_low, trial.score_high] == pytest.approx([interval.low, interval.high])
        assert trial.metrics["score"] == trial.score
        view = get_trial(engine, ME, study_id, number)
        assert view.result is not None
        assert view.result.score == scores[0], "weights, bundle and replay are the first fresh seed's"
    best = max(confirmed.values(), key=lambda trial: (trial.score, -trial.number))
    assert [trial.number for trial in everybody if trial.pareto] == [best.number]
    assert study_row(engine, study_id).best_number == best.number


def _numbers(everybody):
    return [(t.number, t.state, t.genes, t.rung, t.score, t.score_low, t.n_replicas, t.metrics, t.pareto) for t in everybody]


def _fresh(engine, study_id):
    return sorted((run.number, run.rung, run.score) for run in runs(engine, study_id) if run.rung > 2 and run.score is not None)


def test_driver_killed_while_it_confirms_goes_on_as_if_nothing_had_happened(engine):
    spec = study("whole", trials=4, eta=None, references=("transformer",), confirmation=CONFIRMED)
    whole = submit(engine, spec)
    counting = FaultyStore(PostgresDriverStore(engine))
    drive(driver(counting, evaluate))
    first = next(index for index, batch in enumerate(counting.batches) if any(record.key.rung > 2 for record in batch.runs))
    assert len(counting.batches) > first + 4
    for n in range(first + 1, len(counting.batches) + 1):
        study_id = submit(engine, spec.model_copy(update={"name": f"killed {n}"}))
        store = FaultyStore(PostgresDriverStore(engine), after=nth(n, "write", Killed()))
        with suppress(Killed):
            drive(driver(store, evaluate, lease_seconds=0.03))
        if study_row(engine, study_id).state != "completed":
            time.sleep(0.04)
            drive(engine, evaluate)
        assert_sound(engine, study_id, spec)
        assert _numbers(trials(engine, study_id)) == _numbers(trials(engine, whole))
        assert _fresh(engine, study_id) == _fresh(engine, whole)


def test_driver_stopped_while_it_confirms_keeps_what_is_whole(engine):
    spec = study(trials=6, eta=None, confirmation=CONFIRMED)
    study_id = submit(engine, spec)
    driving = driver(engine, evaluate, n_slots=1, clock=Hurried(tick=0.1))
    while not any(run.rung > 2 for run in runs(engine, study_id)):
        driving.step()
    set_wish(engine, ME, study_id, Wish.STOP)
    drive(driving)
    assert study_row(engine, study_id).state == "stopped"
    everybody = [trial for trial in trials(engine, study_id) if trial.twin is None]
    assert {trial.state for trial in everybody} == {"completed"}
    assert {trial.rung for trial in everybody} == {2, 3}


def test_driver_fails_a_leader_that_fails_with_a_fresh_seed_and_confirms_the_others(engine):
    spec = study(trials=4, eta=None, references=("transformer",), confirmation=CONFIRMED)
    study_id = submit(engine, spec)
    drive(engine, lambda run: pretend.fail(run, "nan") if (run.number, run.rung) == (2, 3) else evaluate(run))
    assert_sound(engine, study_id, spec)
    failed = trials(engine, study_id)[2]
    assert (failed.state, failed.rung, failed.pareto) == ("failed", 2, False)
    assert {trial.n_replicas for trial in trials(engine, study_id) if trial.rung == 3} <= {2, 3, 4}
