import operator
import pickle
from random import Random

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import TrialState

from nas.sampling.memory import Memory
from tests.nas.spaces import CONDITIONAL


def study_of(n_trials, seed=0):
    study, rng = optuna.create_study(directions=["maximize", "minimize"]), Random(seed)
    for _ in range(n_trials):
        trial = study.ask()
        CONDITIONAL.suggest(trial)
        match rng.randrange(6):
            case 0:
                study.tell(trial, state=TrialState.FAIL)
            case 1:
                trial.set_constraint("one", 2.5)
                trial.set_constraint("other", -1.0)
                study.tell(trial, state=TrialState.PRUNED)
            case 2:
                pass
            case _:
                study.tell(trial, [rng.random(), rng.random()])
    return study


def same(one, other):
    np.testing.assert_array_equal(one.losses, other.losses)
    np.testing.assert_array_equal(one.violation, other.violation)
    assert all(one.tried_from(trial.params) == other.tried_from(trial.params) for trial in one.trials)


def test_memory_that_looked_often_says_what_one_says_that_looks_once():
    study, memory, rng = study_of(20), Memory(), Random(1)
    for _ in range(30):
        memory.look(study)
        for trial in study.get_trials(states=(TrialState.RUNNING,))[:1]:
            study.tell(trial.number, [rng.random(), rng.random()])
        CONDITIONAL.suggest(study.ask())
    same(memory.look(study), Memory().look(study))


def test_memory_turns_losses_and_knows_verdicts():
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.tell(study.ask(), [1.0, 2.0])
    broken = study.ask()
    broken.set_constraint("excess", 0.5)
    study.tell(broken, state=TrialState.PRUNED)
    study.tell(study.ask(), state=TrialState.PRUNED)
    study.tell(study.ask(), state=TrialState.FAIL)
    study.ask()
    told = Memory().look(study)
    np.testing.assert_array_equal(told.losses, [[-1.0, 2.0], *[[np.nan, np.nan]] * 4])
    np.testing.assert_array_equal(told.violation, [0.0, 0.5, np.nan, np.nan, np.nan])
    assert (told.settled.tolist(), told.feasible.tolist()) == ([0, 1], [0])


@pytest.mark.parametrize("seed", range(5))
def test_tried_from_is_one_gene_of_those_that_both_have(seed):
    study = study_of(60, seed)
    told = Memory().look(study)
    for trial in study.trials[::7]:
        expected = set()
        for other in study.trials:
            shared = trial.params.keys() & other.params.keys()
            differing = [name for name in shared if operator.ne(trial.params[name], other.params[name])]
            if len(differing) == 1:
                expected.add((differing[0], other.params[differing[0]]))
        assert told.tried_from(trial.params) == expected


def test_tried_from_a_value_that_nobody_has():
    study = optuna.create_study()
    choices: dict[str, BaseDistribution] = {"x": CategoricalDistribution([1, 2, 3])}
    study.add_trial(optuna.create_trial(params={"x": 1}, distributions=choices, value=0.0))
    told = Memory().look(study)
    assert told.tried_from({"x": 3}) == {("x", 1)}
    assert told.tried_from({"y": 3}) == set()


def test_memory_is_pickled_without_what_it_saw():
    memory = Memory()
    memory.look(study_of(5))
    assert len(pickle.loads(pickle.dumps(memory)).look(study_of(5)).trials) == 5
