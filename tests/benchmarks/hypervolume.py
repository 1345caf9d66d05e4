"""Hypervolume of score, parameters and state bytes on our own table of hybrids, against Optuna's NSGA-II and TPE.

A search sees one of the measured seeds of each model on validation data, drawn once for each repeat; the front is what it would
take home by what it saw, and its volume is taken at the true scores, as a share of the volume of the table's own front. The box
goes from the worst to the best in the table. An evaluation is a model that the search has not seen before.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from itertools import product
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection

from nas.metrics import exact_metrics
from nas.samplers import TPE, Hypervolume, ModelGuided, RandomSearch
from nas.sampling import build
from nas.statistics.hypervolume import hypervolume, non_dominated
from nas.study import StudySpec
from search_spaces.cost import price
from search_spaces.space import Space
from tests.benchmarks import hybrids
from tests.benchmarks.figure import Figure, Goal, Peer, figure
from tests.benchmarks.hybrids import TABLE

OBJECTIVES = ("score", "params", "state_bytes")
DIRECTIONS = (StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE, StudyDirection.MINIMIZE)
REPEATS = 100
FIRST_SEED = 10_000
"""The defaults of our samplers were chosen with others, and on another table."""
EVALUATIONS = (50, 100, 200)
MOST_ASKED = 20
"""Times the evaluations: a sampler that goes on proposing what it has seen is stopped."""

Points = NDArray[np.float64]
Make = Callable[[int], BaseSampler]
SEARCHES: dict[str, Make] = {
    "random": partial(build, RandomSearch()),
    "hypervolume": partial(build, Hypervolume()),
    "model_guided": partial(build, ModelGuided()),
    "optuna_nsga2": lambda seed: optuna.samplers.NSGAIISampler(seed=seed),
    "optuna_tpe": partial(build, TPE()),
}
"""Ours, and Optuna's: NSGA-II with its defaults, TPE as we use it, multivariate and grouped, as its authors advise."""
OURS = ("hypervolume", "model_guided")
PEERS = ("random", "optuna_nsga2", "optuna_tpe")


@dataclass(frozen=True, slots=True)
class Models:
    """seen: (models, seeds, objectives) and true: (models, objectives), both in shares of the box and larger is better."""

    space: Space
    places: dict[str, int]
    seen: Points
    true: Points

    @property
    def volume(self) -> float:
        """Of the best front that there is."""
        return hypervolume(self.true)


@cache
def models(file: Path) -> Models:
    """The table's members at the last rung."""
    document, table = hybrids.read(file), hybrids.table(file)
    context = StudySpec.from_data({"name": "hypervolume", "space": document.space.to_data()}).cost_at.context
    digests = sorted(table.members, key=table.members.__getitem__)
    built = {member.digest: member for member in (document.space.build(dict(each.genes)) for each in document.members)}
    costs = [exact_metrics(price(built[digest.hex()], context)) for digest in digests]
    exact = -np.array([[cost[name] for name in OBJECTIVES[1:]] for cost in costs], dtype=np.float64)
    score = table.metrics.index("score")
    true = np.column_stack([table.test[:, -1, :, score].mean(axis=1), exact])
    worst, best = true.min(axis=0), true.max(axis=0)
    seen = np.dstack([table.searched[:, -1, :, score], *(np.repeat(each[:, None], table.n_seeds, axis=1) for each in exact.T)])
    return Models(
        document.space,
        {digest.hex(): place for place, digest in enumerate(digests)},
        (seen - worst) / (best - worst),
        (true - worst) / (best - worst),
    )


def figures(table: Path = TABLE) -> Iterator[Figure]:
    """At 200 evaluations ours hold at least as much as Optuna's do. TPE comes last: it takes nearly all of the time."""
    peers = {"every_model_seen": partial(everything, table)} | {name: partial(repeat, table, name) for name in PEERS}
    with ProcessPoolExecutor() as pool:
        ours = {name: _repeats(pool, partial(repeat, table, name)) for name in OURS}
        for peer, found in peers.items():
            theirs = _repeats(pool, found)
            for (name, shares), (column, evaluations) in product(ours.items(), enumerate(EVALUATIONS)):
                yield _figure(name, shares[:, column], peer, theirs[:, column], evaluations)


def _repeats(pool: ProcessPoolExecutor, found: Callable[[int], list[float]]) -> Points:
    return np.array(list(pool.map(found, range(FIRST_SEED, FIRST_SEED + REPEATS), chunksize=5)))


def repeat(file: Path, name: str, seed: int) -> list[float]:
    """The share of the volume after each of `EVALUATIONS`."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    known, seen = models(file), _seen(file, seed)
    order = search(SEARCHES[name](seed), file, seen, max(EVALUATIONS))
    return [_held(known, seen, order[:evaluations]) / known.volume for evaluations in EVALUATIONS]


def everything(file: Path, seed: int) -> list[float]:
    """The share after an evaluation of every model, in the same form: what the noise of one seed leaves to be found."""
    known, seen = models(file), _seen(file, seed)
    return [_held(known, seen, range(len(seen))) / known.volume] * len(EVALUATIONS)


def _seen(file: Path, seed: int) -> Points:
    """One of the measured seeds of each model."""
    known, rng = models(file), np.random.default_rng(seed)
    n_models, n_seeds, _ = known.seen.shape
    seen: Points = known.seen[np.arange(n_models), rng.integers(n_seeds, size=n_models)]
    return seen


def search(sampler: BaseSampler, file: Path, seen: Points, evaluations: int) -> list[int]:
    """The models in the order in which they were first proposed."""
    study, space = optuna.create_study(directions=DIRECTIONS, sampler=sampler), models(file).space
    order: dict[int, None] = {}
    for _ in range(MOST_ASKED * evaluations):
        trial = study.ask()
        place = _place(file, tuple(space.suggest(trial).items()))
        better, *smaller = seen[place].tolist()
        study.tell(trial, [better, *(-each for each in smaller)])
        order[place] = None
        if len(order) == evaluations:
            break
    return list(order)


@cache
def _place(file: Path, params: tuple[tuple[str, Any], ...]) -> int:
    known = models(file)
    return known.places[known.space.build(dict(params)).digest]


def _held(known: Models, seen: Points, order: Sequence[int]) -> float:
    """The true volume of the front by what was seen."""
    found = np.array(order)
    return hypervolume(known.true[found[non_dominated(seen[found])]])


def _figure(name: str, ours: Points, peer: str, theirs: Points, evaluations: int) -> Figure:
    """The error is that of the difference: both saw the same seeds of each model in a repeat."""
    error = 1.96 * stdev((ours - theirs).tolist()) / math.sqrt(len(ours))
    promised = evaluations == max(EVALUATIONS) and peer in PEERS
    goal = Goal(of="ratio", at="least", bound=1.0 if promised else 0.0)
    return figure(
        f"hypervolume_of_{name}_at_{evaluations}_beside_{peer}",
        fmean(ours),
        f"of the table's (difference ± {error:.4f})",
        goal,
        better="higher",
        peer=Peer(name=peer, value=fmean(theirs)),
    )
