"""Reports of studies whose truth was planted: every section finds it, and says so where there is nothing to find."""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from statistics import fmean

import pytest
from scipy import stats
from sqlalchemy import Engine

from nas.protocol import Protocol, Rung
from nas.report.calibration import compare_rungs
from nas.report.document import Report
from nas.report.evidence import read_evidence
from nas.report.leaders import leaders, noise, winner
from nas.report.spending import progress
from nas.samplers import TPE
from nas.study import StudyState
from nas.tasks import MQAR
from nas.trial import Trial, TrialState
from tests.nas.report.conftest import OWNER, Planted
from tests.planted import Plan

Reported = Callable[..., Report]

WINNER, TIED = 5, (8, 13, 21)


def ladder(trial: Trial) -> float:
    """A winner, three equal ones below it, and the rest far below at rising scores."""
    if trial.number == WINNER:
        return 0.95
    return 0.8 if trial.number in TIED else 0.3 + 0.01 * trial.number


def by_attention(trial: Trial) -> float:
    """One gene decides, and nothing else does."""
    return 0.2 + 0.6 * float(trial.params.get("attention_ratio", 0.5))


@pytest.fixture(scope="module")
def full(reported: Reported) -> Report:
    """With references, confirmation and failures."""
    plan = Plan(truth=ladder, n_trials=28, noise=0.01, confirmed=6, fresh=4, failures=2)
    return reported(plan, references=("transformer", "mamba2"))


@pytest.fixture(scope="module")
def unconfirmed(reported: Reported) -> Report:
    return reported(Plan(truth=ladder, n_trials=28, noise=0.01))


@pytest.fixture(scope="module")
def empty(reported: Reported) -> Report:
    return reported(None, StudyState.RUNNING)


def test_the_planted_winner_wins_alone_and_equal_trials_are_tied(unconfirmed: Report) -> None:
    board = {one.number: one for one in unconfirmed.leaderboard}
    assert (board[WINNER].rank, board[WINNER].group) == (1, 1)
    assert {board[number].group for number in TIED} == {2}
    assert all(board[number].group > 2 for number in board if number not in (WINNER, *TIED))
    assert unconfirmed.winner is not None
    assert (unconfirmed.winner.number, unconfirmed.winner.tied) == (WINNER, 0)


def test_intervals_are_about_the_seeds_that_are_shown(unconfirmed: Report) -> None:
    for one in unconfirmed.leaderboard:
        assert one.covers == "replicas"
        assert one.score == pytest.approx(fmean(one.seeds))
        assert one.low <= one.score <= one.high
    truths = {WINNER: 0.95, **dict.fromkeys(TIED, 0.8)}
    assert all(one.low <= truths[one.number] <= one.high for one in unconfirmed.leaderboard[:4])


def test_a_winner_measured_again_is_shown_with_its_curse(full: Report) -> None:
    assert full.winner is not None
    curse = full.winner.curse
    assert curse is not None
    assert (full.winner.number, curse.number, len(curse.fresh_seeds)) == (WINNER, WINNER, 4)
    assert curse.fresh.value == pytest.approx(fmean(curse.fresh_seeds))
    assert curse.drop == pytest.approx(curse.search_score - curse.fresh.value)
    assert curse.confirmed
    assert {one.rung for one in full.leaderboard} == {2}
    assert not any("confirmation" in warning for warning in full.warnings)


def test_luck_is_found_out_on_fresh_seeds(reported: Reported) -> None:
    lucky = reported(Plan(truth=lambda _: 0.5, n_trials=40, noise=0.1, confirmed=1, fresh=8))
    assert lucky.winner is not None
    curse = lucky.winner.curse
    assert curse is not None
    assert curse.expected_drop is not None
    assert curse.drop > 0.05
    assert curse.expected_drop > 0.05


def test_a_winner_that_was_not_measured_again_is_said_plainly(unconfirmed: Report) -> None:
    assert unconfirmed.winner is not None
    assert unconfirmed.winner.curse is None
    assert "The winner was not measured again on fresh seeds: set confirmation." in unconfirmed.warnings


def test_noise_is_measured_with_references_where_there_are_some(full: Report, unconfirmed: Report) -> None:
    assert {one.measured_with for one in full.noise} == {"references"}
    assert {one.measured_with for one in unconfirmed.noise} == {"all trials"}
    (floor,) = unconfirmed.noise
    assert floor.low <= 0.01 <= (floor.high or 1)
    assert floor.n_architectures == 28
    assert floor.detectable_difference is not None
    assert floor.detectable_difference > floor.standard_deviation


def test_the_gene_that_decides_explains_the_score(reported: Reported) -> None:
    found = reported(Plan(truth=by_attention, n_trials=60, noise=0.02), protocol=Protocol(rungs=(Rung(steps=100),))).attribution
    first, *others = found.genes
    assert (first.gene, found.adjusted, found.n_trials) == ("attention_ratio", True, 60)
    assert first.share.value > 0.9
    assert first.p_value < 0.001
    assert max(first.levels, key=lambda level: level.mean.value).value == "1.0"
    assert all(gene.share.value < 0.05 for gene in others)
    assert first.optuna == max(gene.optuna or 0 for gene in found.genes)


def test_attribution_reads_the_highest_rung_that_half_of_the_trials_reached(full: Report, reported: Reported) -> None:
    few = reported(Plan(truth=ladder, n_trials=20, keep=0.3))
    assert (few.attribution.rung, few.attribution.n_trials) == (0, 20)
    # references have no genes, and those that crashed no score
    assert (full.attribution.rung, full.attribution.n_trials) == (1, 26)


def test_a_rung_that_misleads_is_warned_of(reported: Reported) -> None:
    plan = Plan(truth=ladder, n_trials=30, seen=lambda rung, truth: truth if rung else 1 - truth)
    found = reported(plan, protocol=Protocol(rungs=TWO, tasks=(MQAR(), MQAR(n_pairs=4))))
    (rung,) = found.calibration.rungs
    assert rung.spearman is not None
    assert rung.spearman.value < -0.9
    assert rung.verdict == "worse"
    assert {task.task: task.sign for task in found.calibration.tasks} == {"mqar": -1, "mqar-2": -1}
    assert any(warning.startswith("Rung 0 ranks worse than the parameter count alone") for warning in found.warnings)


TWO = (Rung(steps=100), Rung(steps=300, replicas=2))


def test_a_rung_that_tells_the_truth_is_not_warned_of(unconfirmed: Report) -> None:
    (rung,) = unconfirmed.calibration.rungs
    assert rung.kendall is not None
    assert rung.kendall.value > 0.8
    assert (rung.verdict, rung.warning, rung.n_trials, len(rung.pairs)) == ("better", None, 28, 28)
    assert [(one.rung, one.n_trials) for one in unconfirmed.calibration.parameters] == [(0, 28), (1, 28)]


def test_fresh_seeds_are_compared_with_the_last_rung_and_warn_of_nothing(full: Report) -> None:
    last = full.calibration.rungs[-1]
    assert (last.lower, last.upper, last.n_trials, last.warning) == (1, 2, 6, None)


def test_costs_are_from_end_to_end_and_failures_stay(full: Report) -> None:
    spent = full.spent
    # 2 references and 26 trials at two rungs, 2 crashes, 6 confirmations of 4 seeds
    assert spent.runs == 28 * 2 + 2 + 24
    assert spent.optimiser_steps == 3 * (28 * 100 + 28 * 300 * 3 + 24 * 300)
    assert [(one.kind, one.runs, one.example) for one in spent.failed] == [("crash", 2, "the worker was killed")]
    assert [(one.device, one.runs, one.wall_seconds) for one in spent.devices] == [("cpu", 80, 160.0)]
    assert spent.failed_trials == 2
    assert spent.elapsed_seconds is not None


def test_the_ledger_counts_trainings_and_choices(unconfirmed: Report) -> None:
    (ledger,) = unconfirmed.ledger
    assert [(rate.trainings, rate.chosen) for rate in ledger.rates] == [(112, 0), (112, 28), (112, 0)]
    assert (ledger.trials, ledger.at_edge) == (28, 0)
    assert ledger.mean_sensitivity == pytest.approx(0.05)
    curve = unconfirmed.rate_curves[0]
    assert (curve.number, curve.chosen, len(curve.points)) == (WINNER, 3e-3, 3)
    assert max(curve.points, key=lambda point: point.validation).learning_rate == curve.chosen


def test_the_best_score_grows_with_what_was_spent(unconfirmed: Report) -> None:
    steps = [one.optimiser_steps for one in unconfirmed.progress]
    best = [one.best for one in unconfirmed.progress]
    assert steps == sorted(steps)
    assert best == sorted(best)
    assert steps[-1] == unconfirmed.spent.optimiser_steps


def test_both_denominators_of_attention_are_given(full: Report) -> None:
    for one in full.leaderboard:
        assert 0 <= one.attention_of_parts <= one.attention_of_mixers <= 1


def test_a_running_study_says_so_and_has_no_winner_yet(empty: Report) -> None:
    assert "The study is running" in empty.warnings[0]
    assert (empty.winner, empty.leaderboard, empty.noise, empty.calibration.rungs) == (None, (), (), ())
    assert len(empty.warnings) == 2
    assert len(empty.checklist) == 14


@pytest.mark.parametrize("rungs", [(Rung(steps=100),), TWO], ids=["one rung", "two rungs"])
def test_one_trial_is_reported(reported: Reported, rungs: tuple[Rung, ...]) -> None:
    found = reported(Plan(truth=lambda _: 1.0, n_trials=1, noise=0.0), protocol=Protocol(rungs=rungs))
    assert found.winner is not None
    assert (found.winner.number, found.winner.tied, found.n_scored) == (0, 0, 1)
    assert found.attribution.genes == ()
    assert [rung.verdict for rung in found.calibration.rungs] == ["too_few"] * (len(rungs) - 1)
    assert not found.calibration.warnings


def test_a_study_of_single_seeds_has_no_noise_floor_and_says_so(reported: Reported) -> None:
    found = reported(Plan(truth=ladder, n_trials=6), protocol=Protocol(rungs=(Rung(steps=100),)))
    assert found.noise == ()
    assert {one.covers for one in found.leaderboard} == {"test_sample"}
    assert any("noise of seeds is not known" in warning for warning in found.warnings)


def test_single_seeds_at_every_rung_leave_the_noise_to_fresh_seeds(reported: Reported) -> None:
    plan = Plan(truth=ladder, n_trials=6, noise=0.02, confirmed=4, fresh=8)
    found = reported(plan, protocol=Protocol(rungs=(Rung(steps=100),)))
    (floor,) = found.noise
    assert floor.low <= 0.02 <= (floor.high or 1)
    assert (floor.measured_with, floor.n_architectures, floor.n_seeds) == ("all trials", 4, 8)
    assert found.winner is not None
    assert found.winner.curse is not None
    assert found.winner.curse.expected_drop is not None


def test_an_infeasible_trial_is_neither_picked_nor_progress(planted: Planted, reports_engine: Engine) -> None:
    study_id = planted(Plan(truth=lambda trial: 0.1 * (1 + trial.number), n_trials=6, noise=0.001))
    found = read_evidence(reports_engine, OWNER, study_id)
    *others, best = found.trials
    outside = replace(best, row=replace(best.row, state=TrialState.INFEASIBLE))
    kept = replace(found, trials=(*others, outside))
    placed = leaders(kept)
    won = winner(kept, placed, noise(kept))
    assert won is not None
    assert won.number == won.picked == 4
    assert progress(kept)[-1].best < 0.55 < progress(found)[-1].best


def test_a_report_survives_json(full: Report, empty: Report) -> None:
    for found in (full, empty):
        assert Report.from_json(found.to_json()) == found


def test_the_checklist_answers_all_fourteen_from_the_study(full: Report, reported: Reported) -> None:
    assert [one.item for one in full.checklist] == list(range(1, 15))
    assert all(one.evidence.endswith(".") for one in full.checklist)
    answers = {one.item: one for one in full.checklist}
    # ablations and repeated searches are not part of one study, tabular benchmarks do not hold its space
    assert [item for item, one in answers.items() if one.answer == "no"] == [5, 9]
    assert answers[10].answer == "not applicable"
    mixed = reported(Plan(truth=ladder, n_trials=6, devices=("cpu", "H100")), sampler=TPE())
    strict = {one.item: one.answer for one in mixed.checklist}
    assert (strict[8], strict[11]) == ("no", "no")


def test_a_checklist_of_nothing_measured_claims_nothing(empty: Report) -> None:
    answers = {one.item: one.answer for one in empty.checklist}
    assert {answers[item] for item in (1, 5, 7, 9)} == {"no"}
    assert answers[11] == "not applicable"


def test_of_many_trials_an_even_sample_is_compared() -> None:
    rng = Random(0)
    truth = {number: rng.random() for number in range(5000)}
    seen = {number: value + rng.gauss(0, 0.1) for number, value in truth.items() if number % 2}
    found = compare_rungs(0, 1, truth, seen, dict.fromkeys(truth, 1.0))
    assert (found.n_trials, found.n_both) == (2000, 2500)
    assert found.spearman is not None
    assert found.spearman.value == pytest.approx(stats.spearmanr([truth[n] for n in seen], list(seen.values()))[0], abs=0.02)
