"""How long a sampler takes to propose, when 10,000 trials have been told: through the brain, as in a study.

In seconds of processor time, since that is what a proposal takes from its driver; the median of some proposals, each after a
trial was told.
"""

import time
from collections.abc import Iterator
from random import Random
from statistics import median

import optuna

from nas.brain import Brain
from nas.samplers import TPE, Evolution, Hypervolume, LocalSearch, ModelGuided, Sampler
from nas.study import StudySpec
from search_spaces.presets import PRESETS
from search_spaces.space import Space
from tests.benchmarks.control_plane import SPACE
from tests.benchmarks.figure import Figure, Goal, figure

TOLD = 10_000
ASKED = 20
OBJECTIVES = ("score", "params", "state_bytes")
MOST_MILLISECONDS = {"tpe": 200.0, "model_guided": 200.0}
MANY_GENES = "everything"


def figures() -> Iterator[Figure]:
    """At most 10 ms for evolution, local search and hypervolume, with up to three objectives; at most 200 ms for the others."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    for sampler in (Evolution(), LocalSearch(), ModelGuided(), TPE()):
        yield _asking(sampler, SPACE, 1)
    for n_objectives in (2, 3):
        yield _asking(Hypervolume(), SPACE, n_objectives)
    yield _asking(LocalSearch(), SPACE, 3)
    yield _asking(ModelGuided(), SPACE, 3)
    yield _asking(Evolution(), PRESETS[MANY_GENES](), 1)
    yield _asking(TPE(), PRESETS[MANY_GENES](), 1)
    yield _asking(ModelGuided(), PRESETS[MANY_GENES](), 3)


def _asking(sampler: Sampler, space: Space, n_objectives: int) -> Figure:
    spec = StudySpec(name="ask", space=space, sampler=sampler, objectives=OBJECTIVES[:n_objectives])
    brain, rng = Brain(spec), Random(0)
    for number in range(TOLD):
        brain.replay(space.sample(rng))
        brain.tell(number, _values(rng, n_objectives))
    brain.ask()
    milliseconds = [_milliseconds(brain, _values(rng, n_objectives)) for _ in range(ASKED)]
    return figure(
        f"ask_{sampler.name}_{space.name.replace(' ', '_')}_{n_objectives}_objectives",
        median(milliseconds),
        "ms",
        Goal(of="value", at="most", bound=MOST_MILLISECONDS.get(sampler.name, 10.0)),
        better="lower",
    )


def _milliseconds(brain: Brain, values: list[float]) -> float:
    """Tell the last trial, then ask."""
    brain.tell(brain.next_number - 1, values)
    start = time.process_time()
    brain.ask()
    return (time.process_time() - start) * 1000


def _values(rng: Random, n_objectives: int) -> list[float]:
    return [rng.random() for _ in range(n_objectives)]
