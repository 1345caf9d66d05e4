"""What a study may say of its sampler."""

import subprocess
import sys

import pytest
from pydantic import TypeAdapter

from nas.errors import Invalid
from nas.samplers import GP, MAX_GP_TRIALS, NSGA2, TPE, Evolution, ModelGuided, RandomSearch, Sampler
from nas.sampling import SAMPLERS
from nas.study import StudySpec
from nas.submission import read_spec
from tests.nas.spaces import SAMPLERS as OF_EACH
from tests.nas.spaces import TINY

NAMES = "'random', 'evolution', 'local_search', 'model_guided', 'hypervolume', 'tpe', 'nsga2', 'nsga3', 'gp', 'exhaustive'"


def spec(sampler, **fields):
    return read_spec({"name": "x", "space": TINY.to_data(), "sampler": sampler, **fields}, None, 10**9)


def test_every_sampler_has_a_document_and_an_implementation():
    adapter: TypeAdapter[Sampler] = TypeAdapter(Sampler)
    assert set(OF_EACH) == set(SAMPLERS)
    for name, sampler in OF_EACH.items():
        assert adapter.validate_python({"name": name}) == type(sampler)()
        assert SAMPLERS[name](sampler, 0, None)


@pytest.mark.parametrize(
    ("sampler", "pointer", "reason"),
    [
        ({"name": "anneal"}, "/sampler", f"'anneal' is not one of {NAMES}"),
        ({}, "/sampler", "needs 'name', which says what it is"),
        ("tpe", "/sampler", "should be"),
        ({"name": [], "n_startup": 1, "population": 3}, "/sampler", f"'[]' is not one of {NAMES}"),
        ({"name": {}, "n_startup": 1, "population": 3}, "/sampler", f"'{{}}' is not one of {NAMES}"),
        ({"name": "evolution", "samples": 3}, "/sampler/samples", "there is no field 'samples'; did you mean 'sample'?"),
        ({"name": "random", "seed": 3}, "/sampler/seed", "there is no field 'seed'; there are name"),
        ({"name": "tpe", "population": 3}, "/sampler/population", "there is no field 'population'; there are n_startup, name"),
        ({"name": "nsga2", "population": 1}, "/sampler/population", "should be greater than or equal to 2, not 1"),
        ({"name": "evolution", "sample": 30}, "/sampler", "sample 30 must not exceed population 20"),
    ],
)
def test_unknown_samplers_and_options_are_refused(sampler, pointer, reason):
    with pytest.raises(Invalid) as raised:
        spec(sampler)
    assert [(problem.pointer, problem.reason[: len(reason)]) for problem in raised.value.problems] == [(pointer, reason)]


def test_a_gaussian_process_is_for_few_trials():
    assert spec({"name": "gp"}, budget={"trials": MAX_GP_TRIALS}).sampler == GP()
    with pytest.raises(Invalid) as raised:
        spec({"name": "gp"}, budget={"trials": MAX_GP_TRIALS + 1})
    (problem,) = raised.value.problems
    assert problem.pointer == "/sampler/name"
    assert problem.reason.startswith("gp is for at most 300 trials and the budget is 301")


@pytest.mark.parametrize(
    ("name", "sampler"),
    [("random", RandomSearch()), ("tpe", TPE(n_startup=7)), ("nsga2", NSGA2(population=9))],
)
def test_a_study_of_the_first_version_is_read(name, sampler):
    """It has the options of all three samplers beside the name."""
    old = spec({"name": name, "n_startup": 7, "population": 9})
    assert old == spec(sampler.to_data())
    assert old.digest == spec(sampler.to_data()).digest


def test_the_default_sampler_is_for_the_objectives():
    several = {"objectives": ["score", "params"]}
    one, two = (read_spec({"name": "x", "space": TINY.to_data(), **fields}, None, 10**9) for fields in ({}, several))
    assert (one.sampler, two.sampler) == (Evolution(), ModelGuided())
    assert two.digest == spec({"name": "model_guided"}, **several).digest
    with pytest.raises(Invalid, match="evolution is for one objective"):
        spec({"name": "evolution"}, **several)


def test_a_sampler_is_part_of_what_a_study_is():
    base = StudySpec(name="x", space=TINY)
    assert base.sampler == Evolution()
    assert base.digest == StudySpec(name="x", space=TINY, sampler=Evolution()).digest
    assert len({StudySpec(name="x", space=TINY, sampler=each).digest for each in OF_EACH.values()}) == len(OF_EACH)


def test_naming_a_sampler_loads_no_optuna():
    """The API validates studies; who proposes is the driver's."""
    script = "import sys, nas.study, nas.submission; sys.exit('optuna' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_proposing_loads_no_torch():
    script = "import sys, nas.brain; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
