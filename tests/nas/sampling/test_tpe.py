from random import Random

import optuna
import pytest

from nas.sampling.memory import Memory
from nas.sampling.tpe import WindowedTPE
from tests.nas.spaces import CONDITIONAL

N_TOLD = 60


@pytest.fixture(autouse=True)
def _quiet():
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def told(n_objectives=1, worst=0.0):
    """A study of random trials; the first has the worst value in all objectives."""
    study, rng = optuna.create_study(directions=["maximize"] * n_objectives), Random(0)
    study.sampler = optuna.samplers.RandomSampler(seed=0)
    for number in range(N_TOLD):
        trial = study.ask()
        CONDITIONAL.suggest(trial)
        study.tell(trial, [worst if number == 0 else rng.random() for _ in range(n_objectives)])
    return study


def proposals(study, sampler, n=5):
    study.sampler = sampler
    return [CONDITIONAL.suggest(study.ask()) for _ in range(n)]


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_study_within_the_window_proposes_as_optuna_does():
    optunas = optuna.samplers.TPESampler(n_startup_trials=10, multivariate=True, group=True, constant_liar=True, seed=4)
    assert proposals(told(), WindowedTPE(seed=4, window=N_TOLD)) == proposals(told(), optunas)


@pytest.mark.parametrize("n_objectives", [1, 2])
def test_only_the_best_and_the_youngest_are_shown(n_objectives):
    study = told(n_objectives)
    sampler = WindowedTPE(seed=0, window=20)
    sampler.infer_relative_search_space(study, study.ask()._cached_frozen_trial)
    shown = sampler._limited(study).get_trials()
    settled = [trial.number for trial in shown if trial.state.is_finished()]
    best = Memory().look(study).losses.sum(axis=1)[:N_TOLD].argsort()[:1]
    assert 18 <= len(settled) <= 20, "two are the best, which may be among the youngest"
    assert 0 not in settled, "old and bad"
    assert set(range(N_TOLD - 18, N_TOLD)) < set(settled)
    assert set(best.tolist()) < set(settled)
    assert shown[-1].number == N_TOLD, "the one that runs"
