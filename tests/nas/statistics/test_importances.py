from random import Random

import pytest

from nas.statistics.importances import optuna_importances, optuna_study
from tests.nas.spaces import CONDITIONAL


def sample(n):
    random = Random(0)
    return [CONDITIONAL.sample(random) for _ in range(n)]


def test_optuna_finds_the_gene_that_decides():
    params = sample(120)
    importances = optuna_importances(CONDITIONAL, params, [each["d_model"] / 64 for each in params])
    assert next(iter(importances)) == "d_model"
    assert importances["d_model"] > 0.5
    assert sum(importances.values()) == pytest.approx(1)


def test_optunas_study_holds_the_trials_as_they_were():
    params = sample(10)
    study = optuna_study(CONDITIONAL, params, [float(at) for at in range(10)])
    assert [trial.params for trial in study.trials] == params
    assert study.best_trial.number == 9


@pytest.mark.parametrize(("n", "scores"), [(4, [1.0, 2.0, 3.0, 4.0]), (6, [1.0] * 6)])
def test_too_little_to_go_by_is_empty(n, scores):
    assert optuna_importances(CONDITIONAL, sample(n), scores) == {}
