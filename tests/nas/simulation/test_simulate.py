import time
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import optuna
import pytest
from optuna.samplers import BaseSampler, NSGAIISampler

from nas.errors import Invalid
from nas.protocol import Explosion, Recipe, Rung
from nas.simulation import bench_macro
from nas.simulation.fit import misfit
from nas.simulation.loading import table_of_rows
from nas.simulation.regret import incumbents, regret
from nas.simulation.simulate import Record, simulate
from nas.simulation.store import Evaluation
from nas.simulation.table import Table
from nas.study import Budget, Confirmation, Constraint, Matched, StudySpec, StudyState
from nas.tasks import BytesLM
from nas.trial import TrialState
from tests.nas.simulation.tables import N_SEEDS, PROTOCOL, SPACE, digest, rows, spec, table
from tests.nas.spaces import TINY

MACRO_FILE = Path(__file__).parents[4] / "shared/data/tabular/nas_bench_macro_cifar10.json"


@pytest.fixture(autouse=True)
def quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.fixture(scope="module")
def macro() -> Table:
    if not MACRO_FILE.exists():
        pytest.skip(f"the project does not ship NAS-Bench-Macro; put its table at {MACRO_FILE}")
    return bench_macro.read(MACRO_FILE)


def states(record: Record) -> dict[str, int]:
    found = [trial.state.value for trial in record.trials]
    return {state: found.count(state) for state in sorted(set(found))}


def test_a_study_ends_as_a_real_one_does() -> None:
    record = simulate(spec(), table(), n_workers=2)
    assert record.state is StudyState.COMPLETED
    measured = [trial for trial in record.trials if trial.state in (TrialState.COMPLETED, TrialState.PRUNED)]
    assert {trial.digest for trial in measured} == {digest(member) for member in range(9)}
    assert [evaluation.rung for evaluation in record.evaluations].count(0) == 9
    assert any(trial.state is TrialState.COMPLETED and trial.rung == 2 for trial in measured)
    assert all("went on" in (trial.reason or "") for trial in measured if trial.state is TrialState.PRUNED)
    assert len(record.ask_seconds) == len(record.trials)
    costs = [0, *(evaluation.cost for evaluation in record.evaluations)]
    added = [PROTOCOL.optimiser_steps(evaluation.rung) for evaluation in record.evaluations]
    assert np.diff(costs).tolist() == added


def test_the_same_arguments_give_the_same_record_and_another_seed_another() -> None:
    once, again, other = (simulate(spec(), table(), seed=seed, n_workers=3) for seed in (1, 1, 2))
    assert (once.trials, once.evaluations, once.seconds) == (again.trials, again.evaluations, again.seconds)
    assert once.evaluations != other.evaluations


@pytest.mark.parametrize("n_workers", [1, 2, 4])
def test_time_is_what_the_workers_take(n_workers: int) -> None:
    """Eight runs of three seconds each; without the driver's own time nobody waits."""
    protocol = PROTOCOL.model_copy(update={"rungs": PROTOCOL.rungs[:1]})
    record = simulate(spec(8, eta=None, protocol=protocol), table(seconds=3.0), n_workers=n_workers)
    assert record.seconds == pytest.approx(8 / n_workers * 3)
    assert record.idle == pytest.approx(0, abs=1e-9)
    assert [evaluation.seconds for evaluation in record.evaluations] == pytest.approx(
        [3 * (1 + index // n_workers) for index in range(8)]
    )


def test_the_drivers_own_time_passes_where_a_clock_says_so() -> None:
    now = 0.0

    def wall() -> float:
        nonlocal now
        now += 0.1
        return now

    protocol = PROTOCOL.model_copy(update={"rungs": PROTOCOL.rungs[:1]})
    record = simulate(spec(8, eta=None, protocol=protocol), table(seconds=3.0), wall=wall)
    assert record.seconds > 8 * 3 + 8 * 0.1
    assert 0.05 < record.idle < 0.9
    real = simulate(spec(8, eta=None, protocol=protocol), table(seconds=3.0), wall=time.perf_counter)
    assert 24 < real.seconds < 40


def test_what_the_table_lacks_is_infeasible_with_that_reason() -> None:
    record = simulate(spec(5, references=("transformer",)), table(n_members=5))
    assert states(record)["infeasible"] >= 1
    for trial in record.trials:
        known = trial.digest in {digest(member) for member in range(5)}
        assert (trial.state is TrialState.INFEASIBLE) == (not known)
        assert known or trial.reason == f"the table has no results of architecture {trial.digest[:12]}"
    assert record.trials[0].reference == "transformer"


def test_constraints_and_fresh_seeds_work_as_in_a_real_study() -> None:
    measured = Constraint(metric="mqar/accuracy", min=0.25)
    record = simulate(spec(constraints=(measured,), confirmation=Confirmation(seeds=2, leaders=2)), table())
    assert any("mqar/accuracy" in (trial.reason or "") for trial in record.trials)
    fresh = [evaluation for evaluation in record.evaluations if evaluation.rung == len(PROTOCOL.rungs)]
    assert len(fresh) >= 2
    broken = {evaluation.number for evaluation in record.evaluations if not evaluation.kept}
    taken = [evaluation for evaluation in incumbents(record) if evaluation is not None]
    assert broken
    assert taken[-1].number not in broken
    assert taken[-1].rung == PROTOCOL.last_rung


class Backwards(BaseSampler):
    """Always the last choice, or the one before for an odd seed."""

    seeds: ClassVar[list[int]] = []

    def __init__(self, seed: int) -> None:
        self.seeds.append(seed)

    def infer_relative_search_space(self, study, trial):
        return {}

    def sample_relative(self, study, trial, search_space):
        return {}

    def sample_independent(self, study, trial, param_name, param_distribution):
        return param_distribution.choices[-1 - len(study.get_trials(deepcopy=False)) % 2]


def test_ones_own_sampler_makes_every_proposal() -> None:
    Backwards.seeds.clear()
    record = simulate(spec(2), table(), sampler=Backwards)
    assert len(Backwards.seeds) == len(record.trials) == 2
    assert len(set(Backwards.seeds)) == 2
    assert [list(trial.params.values()) for trial in record.trials] == [["none", "none"], ["short_conv", "short_conv"]]


class Crossing(NSGAIISampler):
    """Says which proposals were children."""

    crossed: ClassVar[list[bool]] = []

    def __init__(self, seed: int) -> None:
        super().__init__(seed=seed, population_size=3)

    def sample_relative(self, study, trial, search_space):
        child = super().sample_relative(study, trial, search_space)
        self.crossed.append(bool(child))
        return child


def test_optunas_own_nsga2_has_generations() -> None:
    Crossing.crossed.clear()
    limits = (Constraint(metric="score", min=0.3),)
    simulate(spec(9, eta=None, constraints=limits), table(), sampler=Crossing)
    assert not any(Crossing.crossed[:3])
    assert sum(Crossing.crossed) >= 3


def test_regret_is_the_best_truth_less_that_of_who_is_taken_home() -> None:
    found = table()
    record = simulate(spec(9, eta=None), found, n_workers=2, seed=3)
    numbers = {trial.number: trial for trial in record.trials}
    for index, lost in enumerate(regret(record, found)):
        so_far = record.evaluations[: index + 1]
        highest = max(evaluation.rung for evaluation in so_far)
        best = max((each for each in so_far if each.rung == highest), key=lambda each: each.validation)
        truth = found.truth(numbers[best.number].digest)
        assert truth is not None
        assert lost == pytest.approx(found.best - truth)
    assert regret(record, found)[-1] == 0


def test_a_study_ends_with_a_trial_at_the_full_budget_although_the_best_one_broke_a_constraint() -> None:
    """One of nine would go on; it is the best at the first rung, and breaks the constraint at the second."""
    best = {"layer0.mixer": "hyena", "layer1.mixer": "hyena"}.items()
    changed = []
    for row in rows():
        value = 0.5 if not best <= row.items() else 0.9 if row["rung"] == 0 else 0.1
        scores = dict.fromkeys(("score", "validation_score", "mqar/accuracy", "validation_mqar/accuracy"), value)
        changed.append({**row, **scores})
    limits = (Constraint(metric="score", min=0.3),)
    record = simulate(spec(sampler="exhaustive", eta=9, constraints=limits), table_of_rows(changed, SPACE, PROTOCOL))
    assert states(record) == {"completed": 1, "infeasible": 1, "pruned": 7}
    assert [trial.rung for trial in record.trials if trial.state is TrialState.COMPLETED] == [PROTOCOL.last_rung]


def test_who_breaks_a_constraint_later_is_taken_home_no_more() -> None:
    def evaluation(number: int, rung: int, validation: float, kept: bool = True) -> Evaluation:
        return Evaluation(
            number=number, rung=rung, seconds=0, cost=0, score=0, validation=validation, values=(validation,), kept=kept
        )

    found = [
        evaluation(0, 0, 0.5, kept=False), evaluation(1, 0, 0.6), evaluation(2, 0, 0.7), evaluation(1, 1, 0.4),
        evaluation(2, 1, 0.9), evaluation(2, 2, 0.9, kept=False), evaluation(1, 3, 0.1),
    ]  # fmt: skip
    record = replace(simulate(spec(1), table()), evaluations=tuple(found))
    numbers = [each and (each.number, each.rung) for each in incumbents(record)]
    assert numbers == [None, (1, 0), (2, 0), (1, 1), (2, 1), (1, 1), (1, 1)]


def misfits() -> list[tuple[StudySpec, str]]:
    rungs = (Rung(steps=10), Rung(steps=40))
    many = tuple(Rung(steps=rung.steps, replicas=4) for rung in PROTOCOL.rungs)
    stopped = Recipe(explosion=Explosion())
    longer = PROTOCOL.tasks[0].model_copy(update={"sequence_length": 128})
    return [
        (
            spec(protocol=PROTOCOL.model_copy(update={"rungs": rungs})),
            "no rung of 40 steps; give the study rungs of 10, 30, 90",
        ),
        (spec(protocol=PROTOCOL.model_copy(update={"rungs": many})), f"4 replicas and the table {N_SEEDS} seeds"),
        (
            spec(protocol=PROTOCOL.model_copy(update={"tasks": (longer,)})),
            "mqar has sequence_length 128 in the study and 64 in the table",
        ),
        (spec(protocol=PROTOCOL.model_copy(update={"tasks": (BytesLM(),)})), "measured on mqar, the study asks for bytes_lm"),
        (
            spec(protocol=PROTOCOL.model_copy(update={"learning_rates": (0.5,)})),
            "protocol.learning_rates is [0.5] in the study and [0.001, 0.003] in the table",
        ),
        (
            spec(protocol=PROTOCOL.model_copy(update={"recipe": Recipe(batch_size=7)})),
            "protocol.recipe.batch_size is 7 in the study and 32 in the table",
        ),
        (
            spec(protocol=PROTOCOL.model_copy(update={"recipe": stopped})),
            'protocol.recipe.explosion is {"factor": 5.0, "points": 4} in the study and null in the table',
        ),
        (
            spec(confirmation=Confirmation(seeds=3)),
            f"its confirmation 3 fresh seeds, and the table {N_SEEDS} seeds of each architecture, which leaves 2 fresh ones",
        ),
        (spec(objectives=("score", "train_tokens_per_second")), "the table has no train_tokens_per_second"),
        (spec(constraints=(Constraint(metric="mqar/macro_accuracy", min=0.1),)), "the table has no mqar/macro_accuracy"),
        (spec(budget=Budget(trials=5, max_run_seconds=20)), "a run of 30 s, and budget.max_run_seconds is 20"),
        (spec(space=TINY), "none of 200 architectures drawn from the study's space 'tiny'"),
        (spec(matched=Matched(metric="params", target=60_000)), "none of 200 architectures"),
    ]


@pytest.mark.parametrize(("wrong", "reason"), misfits(), ids=lambda value: value[:30] if isinstance(value, str) else "")
def test_a_study_that_the_table_does_not_fit_is_refused(wrong: StudySpec, reason: str) -> None:
    with pytest.raises(Invalid) as caught:
        simulate(wrong, table())
    assert reason in str(caught.value)


def test_text_that_a_study_does_not_pin_is_that_of_the_table() -> None:
    open_, pinned, other = (BytesLM(corpus_digest=digest) for digest in (None, "0" * 64, "1" * 64))
    measured = replace(
        table(), protocol=PROTOCOL.model_copy(update={"tasks": (pinned,)}), metrics=("score", "bytes_lm/bits_per_byte")
    )
    for task in (open_, pinned):
        assert misfit(spec(protocol=PROTOCOL.model_copy(update={"tasks": (task,)})), measured) is None
    assert "corpus_digest" in (misfit(spec(protocol=PROTOCOL.model_copy(update={"tasks": (other,)})), measured) or "")


def test_a_study_of_part_of_the_space_and_of_the_rungs_fits() -> None:
    part = SPACE.model_copy(update={"genes": {"depth": (2,), "layer*.mixer": ("hyena", "none")}})
    protocol = PROTOCOL.model_copy(update={"rungs": PROTOCOL.rungs[2:]})
    record = simulate(spec(4, space=part, protocol=protocol, eta=None), table())
    assert states(record)["completed"] == 4
    assert "infeasible" not in states(record)


def test_random_search_on_nas_bench_macro_is_as_good_as_chance_says(macro: Table) -> None:
    """The regret of 50 trials without replacement, each seen with one seed, is drawn by itself a thousand times."""
    assert (len(macro), macro.n_seeds) == (6561, 3)
    assert macro.best == pytest.approx(0.9312666)
    rng, accuracies = np.random.default_rng(0), macro.test[:, 0, :, 0]
    drawn = np.argsort(rng.random((1000, len(macro))), axis=1)[:, :50]
    seen = accuracies[drawn, rng.integers(0, 3, drawn.shape)]
    expected = macro.best - accuracies.mean(axis=1)[drawn[np.arange(1000), seen.argmax(axis=1)]]
    searched = spec(50, space=bench_macro.SPACE, protocol=bench_macro.PROTOCOL, eta=None)
    found = [regret(simulate(searched, macro, seed=seed, n_workers=8), macro)[-1] for seed in range(12)]
    # four standard errors of a mean of 12
    assert abs(np.mean(found) - expected.mean()) < 4 * expected.std() / np.sqrt(12)
