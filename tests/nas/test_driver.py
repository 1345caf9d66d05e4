from collections import Counter
from itertools import cycle

import pytest

from nas.run import MAX_ATTEMPTS
from nas.store.driver_store import PostgresDriverStore
from nas.store.submissions import set_wish
from nas.study import Budget, Constraint, Wish
from search_spaces.space import Space
from tests.inline_executor import InlineExecutor
from tests.nas import pretend
from tests.nas.driving import (
    ME,
    FaultyStore,
    Hurried,
    assert_sound,
    drive,
    driver,
    rows,
    runs,
    study_row,
    submit,
    trials,
)
from tests.nas.spaces import TINY, study

# the whole way


@pytest.mark.parametrize("objectives", [("score",), ("score", "params")])
@pytest.mark.parametrize("sampler", ["random", "tpe", "nsga2"])
def test_driver_sees_a_study_through(engine, sampler, objectives):
    spec = study(trials=15, sampler=sampler, objectives=objectives, references=("transformer", "mamba2"))
    study_id = submit(engine, spec)
    drive(engine)
    assert_sound(engine, study_id, spec)
    references = [trial for trial in trials(engine, study_id) if trial.reference]
    assert [(trial.state, trial.rung) for trial in references] == [("completed", 2)] * 2
    counts = Counter(run.rung for run in runs(engine, study_id) if run.number >= 2)
    assert counts[0] == 15
    assert 5 <= counts[1] < 15
    assert 1 <= counts[2] <= counts[1]


def test_driver_without_halving_takes_every_trial_through_all_rungs(engine):
    spec = study(trials=5, eta=None)
    study_id = submit(engine, spec)
    drive(engine)
    assert_sound(engine, study_id, spec)
    assert [(trial.state, trial.rung) for trial in trials(engine, study_id) if trial.twin is None] == [("completed", 2)] * 5


def test_driver_says_why_a_trial_was_pruned(engine):
    study_id = submit(engine, study(trials=9))
    drive(engine)
    pruned = [trial.reason for trial in trials(engine, study_id) if trial.state == "pruned"]
    assert pruned
    assert all("of 9 at rung 0" in reason or "at rung 1" in reason for reason in pruned)


def test_driver_flags_the_pareto_front(engine):
    study_id = submit(engine, study(trials=15, objectives=("score", "params"), references=("transformer",)))
    drive(engine)
    top = [trial for trial in trials(engine, study_id) if trial.rung == 2]
    best = {
        trial.number
        for trial in top
        if not any(
            (other.score >= trial.score and other.params <= trial.params)
            and (other.score, other.params) != (trial.score, trial.params)
            for other in top
        )
    }
    assert {trial.number for trial in trials(engine, study_id) if trial.pareto} == best


@pytest.mark.parametrize("lives", [1, 3])
def test_driver_searches_on_validation_and_reports_on_test(engine, lives):
    """The two disagree entirely; the study changes drivers on the way."""

    def evaluate(run):
        finished = pretend.succeed(run)
        assert finished.result is not None
        opposite = finished.result.model_copy(update={"validation_score": 1 - finished.result.score})
        return finished.model_copy(update={"result": opposite})

    study_id = submit(engine, study(trials=18, eta=3, sampler="tpe"))
    for _ in range(lives - 1):
        early = driver(engine, evaluate)
        for _ in range(4):
            early.step()
        early.release()
    last = driver(engine, evaluate, n_slots=1)
    drive(last)
    everybody = trials(engine, study_id)
    first_rung = {run.number: run for run in runs(engine, study_id) if run.rung == 0 and run.state == "succeeded"}
    ranked = sorted(first_rung.values(), key=lambda run: run.validation_score, reverse=True)
    assert everybody[ranked[0].number].rung > 0, "the best on validation went on"
    assert everybody[ranked[-1].number].rung == 0, "though the last had the best test score"
    assert ranked[-1].score == max(run.score for run in first_rung.values())
    top = [trial for trial in everybody if trial.rung == 2]
    assert [trial.number for trial in everybody if trial.pareto] == [max(top, key=lambda trial: trial.score).number]


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_driver_gives_the_same_numbers_for_the_same_study(engine, sampler):
    seen = []
    for name in ("first", "second"):
        study_id = submit(engine, study(name, trials=20, sampler=sampler, seed=5))
        drive(engine)
        seen.append([(t.number, t.state, t.genes, t.rung, t.score, t.pareto, t.reason) for t in trials(engine, study_id)])
    assert seen[0] == seen[1]


def test_driver_seeds_runs_and_resumes_from_the_rung_below(engine):
    seen = []
    study_id = submit(engine, study(trials=4, eta=None))

    def evaluate(run):
        seen.append(run)
        return pretend.succeed(run)

    drive(engine, evaluate)
    assert len({run.data_seed for run in seen}) == 1
    assert len({(run.number, run.seed) for run in seen}) == len({run.number for run in seen}) == len({run.seed for run in seen})
    folders = {(run.number, run.rung): run.folder for run in seen}
    assert [run.resume for run in seen] == [folders.get((run.number, run.rung - 1)) for run in seen]
    assert study_row(engine, study_id).state == "completed"


def test_driver_stores_a_run_before_it_is_dispatched(engine):
    seen = []

    class Watched(InlineExecutor):
        def submit(self, run):
            where = {"number": run.number, "rung": run.rung, "attempt": run.attempt}
            seen.append(rows(engine, RUNNING, **where))
            super().submit(run)

    study_id = submit(engine, study(trials=6, references=("transformer",)))
    drive(driver(engine, executor=Watched(pretend.succeed, 3)))
    assert len(seen) == len(runs(engine, study_id)) > 7
    assert all(found == [("running", "running")] for found in seen)


RUNNING = (
    "SELECT t.state, r.state FROM nas_trial t JOIN nas_run r USING (study_id, number)"
    " WHERE number = :number AND r.rung = :rung AND attempt = :attempt"
)


# what is never trained


def test_driver_trains_no_architecture_twice(engine):
    study_id = submit(engine, study(trials=10, space=TINY, eta=None))
    drive(engine)
    row, everybody = study_row(engine, study_id), trials(engine, study_id)
    assert (row.state, row.reason.split(":")[0]) == ("completed", "space exhausted")
    assert Counter(trial.state for trial in everybody)["completed"] == 4
    for trial in everybody:
        if trial.state == "duplicate":
            assert trial.twin < trial.number
            assert everybody[trial.twin].architecture == trial.architecture
    assert {run.number for run in runs(engine, study_id)} == {t.number for t in everybody if t.state == "completed"}


def test_driver_counts_an_architecture_of_the_zoo_as_known(engine):
    """A proposal that is a reference is its duplicate, and the sampler hears the reference's score."""
    space = Space(
        name="transformers",
        genes={"d_model": (64,), "depth": (4,), "attention_ratio": (1.0,), "n_heads": (4,), "n_kv_heads": (2, 4)},
    )
    study_id = submit(engine, study(trials=2, space=space, references=("transformer",), sampler="tpe"))
    drive(engine)
    everybody = trials(engine, study_id)
    assert everybody[0].reference == "transformer"
    assert 0 in {trial.twin for trial in everybody}


def test_driver_never_dispatches_what_breaks_a_constraint(engine):
    study_id = submit(engine, study(trials=1, constraints=(Constraint(metric="params", max=10),)))
    drive(engine)
    row = study_row(engine, study_id)
    assert (row.state, row.reason.split(":")[0]) == ("failed", "space exhausted")
    assert runs(engine, study_id) == []
    states = Counter((trial.state, "above 10 parameters" in trial.reason) for trial in trials(engine, study_id))
    assert states == {("infeasible", True): 210}


def test_driver_keeps_the_service_limit(engine):
    study_id = submit(engine, study(trials=1))
    drive(driver(engine, max_params=10))
    assert {trial.state for trial in trials(engine, study_id)} == {"infeasible"}


def test_driver_goes_on_among_the_feasible(engine):
    space_costs = sorted(_params(engine))
    limit = space_costs[len(space_costs) // 2]
    spec = study("half", trials=8, sampler="tpe", constraints=(Constraint(metric="params", max=limit),))
    study_id = submit(engine, spec)
    drive(engine)
    assert_sound(engine, study_id, spec)
    for trial in trials(engine, study_id):
        assert (trial.params > limit) == (trial.state == "infeasible")


def _params(engine):
    study_id = submit(engine, study("costs", trials=20))
    drive(engine)
    return [trial.params for trial in trials(engine, study_id)]


# failures of runs


@pytest.mark.parametrize("kind", ["nan", "oom", "invalid"])
def test_driver_ends_a_trial_that_would_fail_again(engine, kind):
    spec = study(trials=8, eta=None)
    study_id = submit(engine, spec)
    drive(engine, lambda run: pretend.fail(run, kind) if run.number == 3 else pretend.succeed(run))
    assert study_row(engine, study_id).state == "completed"
    failed = trials(engine, study_id)[3]
    assert (failed.state, failed.reason, failed.score) == ("failed", f"{kind}: pretended {kind}", None)
    assert [(run.attempt, run.state) for run in runs(engine, study_id) if run.number == 3] == [(1, "failed")]
    assert Counter(trial.state for trial in trials(engine, study_id) if trial.twin is None) == {"completed": 7, "failed": 1}


@pytest.mark.parametrize("kind", ["crash", "timeout"])
def test_driver_repeats_what_another_attempt_may_heal(engine, kind):
    spec = study(trials=6, eta=None)
    study_id = submit(engine, spec)

    def evaluate(run):
        heals = run.number == 2 and run.attempt == 2
        return pretend.succeed(run) if run.number not in (2, 4) or heals else pretend.fail(run, kind)

    drive(engine, evaluate)
    attempts = {
        number: [(run.rung, run.attempt, run.state) for run in runs(engine, study_id) if run.number == number]
        for number in (2, 4)
    }
    assert attempts[2] == [(r, a, s) for r in range(3) for a, s in ((1, "failed"), (2, "succeeded"))]
    assert attempts[4] == [(0, attempt, "failed") for attempt in range(1, MAX_ATTEMPTS[kind] + 1)]
    assert trials(engine, study_id)[4].state == "failed"


def test_driver_keeps_the_score_of_a_trial_that_fails_later(engine):
    study_id = submit(engine, study(trials=4, eta=None))
    drive(engine, lambda run: pretend.fail(run, "nan") if (run.number, run.rung) == (1, 1) else pretend.succeed(run))
    failed = trials(engine, study_id)[1]
    assert (failed.state, failed.rung) == ("failed", 0)
    assert failed.score is not None


def test_driver_takes_an_evaluation_that_raises_for_a_crash(engine):
    study_id = submit(engine, study(trials=2))

    def evaluate(run):
        raise RuntimeError(f"trial {run.number} is broken")

    drive(engine, evaluate)
    assert [trial.reason for trial in trials(engine, study_id) if trial.twin is None] == [
        f"crash: RuntimeError: trial {number} is broken" for number in range(2)
    ]


def test_driver_pauses_a_study_whose_trials_all_fail(engine):
    spec = study(budget=Budget(trials=16, max_consecutive_failures=4))
    study_id = submit(engine, spec)
    broken = True
    driving = driver(engine, lambda run: pretend.fail(run, "nan") if broken else pretend.succeed(run), clock=Hurried(tick=0.1))
    for _ in range(30):
        driving.step()
    row = study_row(engine, study_id)
    assert (row.state, row.wish) == ("paused", "pause")
    assert row.reason.startswith("4 trials failed in a row, the last with nan") or row.reason.startswith("5 trials")
    failed = Counter(trial.state for trial in trials(engine, study_id))["failed"]
    assert failed <= 6, "what was in flight may still end"
    broken = False
    set_wish(engine, ME, study_id, Wish.RUN)
    drive(driving)
    row = study_row(engine, study_id)
    assert (row.state, row.reason) == ("completed", None)
    assert sum(trial.reference is None and trial.twin is None for trial in trials(engine, study_id)) == 16


def test_driver_counts_failures_in_a_row_only(engine):
    spec = study(eta=None, budget=Budget(trials=12, max_consecutive_failures=2))
    study_id, fails = submit(engine, spec), cycle((False, True))
    drive(engine, lambda run: pretend.fail(run, "nan") if next(fails) else pretend.succeed(run), n_slots=1)
    assert study_row(engine, study_id).state == "completed"
    assert Counter(trial.state for trial in trials(engine, study_id))["failed"] >= 5


# what users want


def test_driver_pauses_and_resumes(engine):
    spec = study(trials=12)
    study_id = submit(engine, spec)
    driving = driver(engine, clock=Hurried(tick=0.1))
    for _ in range(3):
        driving.step()
    set_wish(engine, ME, study_id, Wish.PAUSE)
    for _ in range(5):
        driving.step()
    assert study_row(engine, study_id).state == "paused"
    stood = len(runs(engine, study_id))
    for _ in range(5):
        driving.step()
    assert len(runs(engine, study_id)) == stood
    assert not [run for run in runs(engine, study_id) if run.state == "running"], "runs in flight have ended"
    set_wish(engine, ME, study_id, Wish.RUN)
    drive(driving)
    assert_sound(engine, study_id, spec)


def test_driver_stops_after_the_runs_in_flight(engine):
    study_id = submit(engine, study(trials=12))
    driving = driver(engine, clock=Hurried(tick=0.1))
    for _ in range(4):
        driving.step()
    set_wish(engine, ME, study_id, Wish.STOP)
    drive(driving)
    row, everybody = study_row(engine, study_id), trials(engine, study_id)
    assert (row.state, row.reason) == ("stopped", "stopped by its user")
    assert {trial.state for trial in everybody} <= {"completed", "pruned", "cancelled", "duplicate"}
    assert {run.state for run in runs(engine, study_id)} == {"succeeded"}
    assert len([trial for trial in everybody if trial.twin is None]) < 12


@pytest.mark.parametrize("wish", [Wish.PAUSE, Wish.STOP])
def test_driver_starts_nothing_of_a_study_that_is_not_wanted(engine, wish):
    study_id = submit(engine, study())
    set_wish(engine, ME, study_id, wish)
    driving = driver(engine)
    for _ in range(3):
        driving.step()
    assert study_row(engine, study_id).state == {"pause": "paused", "stop": "stopped"}[wish]
    assert trials(engine, study_id) == []


@pytest.mark.parametrize("wish", [Wish.PAUSE, Wish.STOP])
def test_driver_hears_the_wish_before_it_goes_on_with_a_study(engine, wish):
    """A study whose driver went away, and whose user said something before the next one came."""
    study_id = submit(engine, study(trials=12))
    first = driver(engine, clock=Hurried(tick=0.1))
    for _ in range(3):
        first.step()
    first.release()
    before = len(runs(engine, study_id))
    set_wish(engine, ME, study_id, wish)
    second = driver(engine)
    for _ in range(4):
        second.step()
    assert len(runs(engine, study_id)) == before > 0
    assert study_row(engine, study_id).state == {"pause": "paused", "stop": "stopped"}[wish]


# several studies


def test_driver_asks_seldom_what_becomes_of_a_paused_study(engine):
    set_wish(engine, ME, submit(engine, study()), Wish.PAUSE)
    calls = Counter[str]()
    store = FaultyStore(PostgresDriverStore(engine), before=lambda call: calls.update([call]))
    clock = Hurried(tick=0.0)
    driving = driver(store, clock=clock, lease_seconds=40.0)
    for _ in range(31):
        driving.step()
        clock.sleep(1.0)
    # when it is taken up, and then after each quarter of its lease
    assert calls["renew"] == 4


def test_driver_is_not_kept_busy_by_paused_studies(engine):
    for index in range(2):
        set_wish(engine, ME, submit(engine, study(f"paused {index}")), Wish.PAUSE)
    study_id = submit(engine, study("wanted"))
    driving = driver(engine, max_studies=1)
    for _ in range(100):
        driving.step()
    assert study_row(engine, study_id).state == "completed"
    assert len(driving.studies) == 2


def test_driver_leaves_a_study_alone_that_it_cannot_read(engine):
    bad_id, good_id = submit(engine, study("bad")), submit(engine, study("good"))

    class Unreadable(FaultyStore):
        def history(self, claim):
            if claim.study_id == bad_id:
                raise KeyError("a defect")
            return super().history(claim)

    driving = driver(Unreadable(PostgresDriverStore(engine)))
    for _ in range(100):
        driving.step()
    assert study_row(engine, good_id).state == "completed"
    assert study_row(engine, bad_id).state == "queued"


def test_driver_shares_places_fairly(engine):
    ids = [submit(engine, study(f"study {index}", trials=20)) for index in range(3)]
    driving = driver(engine, n_slots=6)
    for _ in range(4):
        driving.step()
    assert set(driving.studies) == set(ids)
    shares = []
    for _ in range(3):
        driving.step()
        shares.append(sorted(Counter(rows(engine, "SELECT study_id FROM nas_run WHERE state = 'running'")).values()))
    assert shares == [[2, 2, 2]] * 3
    drive(driving)
    assert {study_row(engine, study_id).state for study_id in ids} == {"completed"}


def test_driver_keeps_to_max_parallel(engine):
    spec = study(budget=Budget(trials=8, max_parallel=2))
    study_id = submit(engine, spec)
    driving = driver(engine, n_slots=6)
    driving.step()
    while driving.studies:
        assert len([run for run in runs(engine, study_id) if run.state == "running"]) <= 2
        driving.step()
    assert_sound(engine, study_id, spec)


def test_driver_fails_a_study_with_a_defect_and_goes_on_with_the_others(engine):
    good, bad = study("good", trials=4), study("bad", trials=4)
    good_id, bad_id = submit(engine, good), submit(engine, bad)

    class Defective(FaultyStore):
        def write(self, claim, batch):
            if claim.study_id == bad_id and batch.sequence == 2 and batch.study_state != "failed":
                raise ZeroDivisionError("a defect")
            super().write(claim, batch)

    drive(driver(Defective(PostgresDriverStore(engine))))
    assert_sound(engine, good_id, good)
    row = study_row(engine, bad_id)
    assert (row.state, row.reason) == ("failed", "internal error: ZeroDivisionError: a defect")
