import math
import tracemalloc
from random import Random

import optuna
import pytest

from nas.brain import Brain
from tests.nas.spaces import SAMPLERS as OF_EACH
from tests.nas.spaces import study

SAMPLERS = tuple(name for name in OF_EACH if name != "gp")
OBJECTIVES = (("score",), ("score", "params"))


def outcomes(n_trials, n_objectives):
    """What happens to each trial: running still, failed, rejected, or told once or twice; None ends the list of values."""
    rng = Random(7)
    kinds = ["running", "fail", "reject", *["tell"] * 6, *["tell twice"] * 3]
    return [(rng.choice(kinds), [rng.random() for _ in range(2 * n_objectives)]) for _ in range(n_trials)]


def settle(brain, number, outcome, n_objectives, *, replaying=False):
    kind, values = outcome
    if kind == "fail":
        brain.fail(number)
    elif kind == "reject":
        brain.reject(number, values[0])
    elif kind == "tell":
        brain.tell(number, values[:n_objectives])
    elif kind == "tell twice":
        if not replaying:
            brain.tell(number, values[:n_objectives])
        brain.tell(number, values[n_objectives:])


@pytest.mark.parametrize(
    ("sampler", "objectives"),
    [(name, objectives) for name in SAMPLERS for objectives in OBJECTIVES if name != "evolution" or len(objectives) == 1],
)
def test_brain_replayed_proposes_what_an_uninterrupted_one_does(sampler, objectives):
    spec = study(sampler=sampler, objectives=objectives)
    happened = outcomes(60, len(objectives))
    uninterrupted = Brain(spec)
    proposed = []
    for number, outcome in enumerate(happened):
        proposed.append(uninterrupted.ask())
        settle(uninterrupted, number, outcome, len(objectives))
    for stop in (1, 17, 40):
        resumed = Brain(spec)
        for number in range(stop):
            resumed.replay(proposed[number])
        # results come back in another order than they were told in
        for number in reversed(range(stop)):
            settle(resumed, number, happened[number], len(objectives), replaying=True)
        for number in range(stop, len(happened)):
            assert resumed.ask() == proposed[number], f"trial {number} after a restart at {stop}"
            settle(resumed, number, happened[number], len(objectives))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_brain_depends_on_the_seed(sampler):
    first, again, other = (Brain(study(sampler=sampler, seed=seed)) for seed in (1, 1, 2))
    proposals = [[brain.ask() for _ in range(10)] for brain in (first, again, other)]
    assert proposals[0] == proposals[1] != proposals[2]


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name not in ("random", "exhaustive")])
def test_brain_learns_where_the_good_values_are(sampler):
    """A sampler that listens finds the width and depth that score best far more often than chance."""
    brain = Brain(study(sampler=sampler))
    proposed = []
    for number in range(120):
        params = brain.ask()
        proposed.append(params)
        brain.tell(number, [(params["d_model"] == 64) + (params["depth"] == 4) + (params["channel"] == "dense")])
    late = proposed[-40:]
    best = sum(p["d_model"] == 64 and p["depth"] == 4 and p["channel"] == "dense" for p in late)
    assert best > 10, "chance gives 40 / 12"


def test_brain_asks_a_gaussian_process():
    spec = study(sampler="gp", trials=12)
    brain, resumed = Brain(spec), Brain(spec)
    for number in range(9):
        resumed.replay(brain.ask())
        for each in (brain, resumed):
            each.tell(number, [float(brain.params(number)["depth"])])
    assert brain.ask() == resumed.ask()


def test_brain_learns_from_rejections():
    """Where every proposal breaks a constraint, TPE moves towards those that break it less; from failures it learns nothing."""
    rejected, failed = Brain(study(sampler="tpe")), Brain(study(sampler="tpe"))
    depths, others = [], []
    for number in range(80):
        depths.append(rejected.ask()["depth"])
        rejected.reject(number, excess=float(depths[-1]))
        others.append(failed.ask()["depth"])
        failed.fail(number)
    assert depths[:6] == others[:6]
    assert depths.count(2) > 1.4 * others.count(2)


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_brain_told_again_forgets_the_earlier_values(sampler):
    twice, once = Brain(study(sampler=sampler)), Brain(study(sampler=sampler))
    for number in range(20):
        assert twice.ask() == once.ask()
        twice.tell(number, [number % 3])
        twice.tell(number, [number % 5])
        once.tell(number, [number % 5])
    assert twice.values(3) == (3.0,)


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != "evolution"])
def test_brain_told_again_much_later_proposes_as_if_it_had_heard_the_last_values_only(sampler):
    """Promoted trials have new values when others were asked for meanwhile; some are worse, or break a constraint then."""
    spec, rng = study(sampler=sampler, objectives=("score", "params")), Random(3)
    live, proposed, last = Brain(spec), [], {}
    for number in range(50):
        proposed.append(live.ask())
        for each in {number, *rng.choices(range(number + 1), k=4)}:
            last[each] = [rng.random(), rng.random()]
            if rng.random() < 0.1:
                live.reject(each, last[each][0])
                last[each] = last[each][:1]
            else:
                live.tell(each, last[each])
    resumed = Brain(spec)
    for params in proposed:
        resumed.replay(params)
    for each, values in last.items():
        settle(resumed, each, ("tell" if len(values) == 2 else "reject", values), 2)
    assert [resumed.ask() for _ in range(3)] == [live.ask() for _ in range(3)]


@pytest.mark.parametrize("sampler", ["tpe", "gp"])
def test_brain_of_our_own_samplers_has_nothing_that_a_resumed_one_lacks(sampler):
    brain = Brain(study(sampler=sampler, trials=12))
    for number in range(8):
        brain.ask()
        brain.tell(number, [float(brain.params(number)["depth"])])
    brain.ask()
    assert not any(trial.system_attrs for trial in brain._study.get_trials(deepcopy=False))


def test_brain_keeps_what_a_sampler_noted_on_a_trial_whatever_becomes_of_it():
    brain = Brain(study(eta=None), lambda _sampler, seed, _memory: optuna.samplers.NSGAIISampler(seed=seed))
    for _ in range(4):
        brain.ask()
    brain.tell(1, [0.5])
    brain.reject(2, 0.5)
    brain.tell(2, [0.5])
    brain.reject(3, 0.5)
    trials = brain._study.get_trials()
    assert [trial.system_attrs["NSGAIISampler:generation"] for trial in trials] == [0] * 4
    assert [trial.constraints for trial in trials] == [{}, {}, {}, {"excess": 0.5}]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_brain_refuses_values_that_are_not_finite(value):
    brain = Brain(study())
    brain.ask()
    with pytest.raises(ValueError, match="finite"):
        brain.tell(0, [value])
    assert brain.values(0) is None


def test_brain_skips_slots_for_references():
    brain, shifted = Brain(study(sampler="tpe")), Brain(study(sampler="tpe"))
    shifted.skip()
    assert shifted.params(0) == {}
    assert shifted.next_number == 1
    brain.ask()
    assert brain.ask() == shifted.ask(), "a proposal follows from its number"


def test_brain_keeps_little_of_a_finished_trial():
    brain = Brain(study())

    def run(first, last):
        for number in range(first, last):
            brain.ask()
            brain.tell(number, [0.5])

    run(0, 200)
    tracemalloc.start()
    run(200, 400)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown / 200 < 4000
