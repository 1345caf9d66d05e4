"""A study as an arm of a comparison: its own runs in the order in which they ended, what they cost, and what they are worth."""

import math
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from nas.baselines import EXCHANGEABLE
from nas.objectives import Values, objectives_of, ranked_values
from nas.report.document import Noise
from nas.report.evidence import Evidence, Measured, TrialEvidence
from nas.statistics.anytime import Arm, Outcome
from nas.statistics.frontier import Frontier
from nas.statistics.intervals import NORMAL_975


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A run of the search's own. score: that of fresh seeds at the last rung, where there are such.

    error: the standard error of the score. values: of the objectives, larger is better, the score first. steps: optimiser steps
    spent when it ended.
    """

    trial: TrialEvidence
    run: Measured
    score: float
    error: float
    values: Values
    steps: int


def events(evidence: Evidence, noise: Noise | None) -> tuple[Event, ...]:
    """Of the study's own trials, references and fresh seeds left out. `noise`: of the whole score over seeds, where known."""
    objectives, last = objectives_of(evidence.spec), evidence.spec.protocol.last_rung
    found, steps = [], 0
    for trial, run in _in_time(evidence):
        fresh = trial.fresh if run.rung == last else ()
        score, error = _worth(fresh or (run,), noise)
        # the row has what fresh seeds measured, all of them together
        metrics = {**(trial.row.metrics if fresh else run.metrics), "score": score}
        steps += run.optimiser_steps
        values = ranked_values(objectives, metrics, trial.row.cost)
        found.append(Event(trial=trial, run=run, score=score, error=error, values=values, steps=steps))
    return tuple(found)


def _in_time(evidence: Evidence) -> list[tuple[TrialEvidence, Measured]]:
    own = (trial for trial in evidence.trials if trial.row.reference is None)
    runs = [(trial, run) for trial in own for run in trial.rungs.values() if run.ended_at]
    return sorted(runs, key=lambda pair: (pair[1].ended_at, pair[0].row.number, pair[1].rung))


def _worth(runs: tuple[Measured, ...], noise: Noise | None) -> tuple[float, float]:
    """The mean over seeds and its standard error, from the seeds that everybody's noise was measured with and the test sample.

    The noise of few seeds is uncertain itself: the error is that whose normal interval is as wide as Student's.
    """
    n_seeds = sum(len(run.by_seed) for run in runs)
    of_seeds = 0.0
    if noise is not None:
        wider = float(stdtrit(noise.degrees_of_freedom, 0.975)) / NORMAL_975
        of_seeds = wider * noise.standard_deviation / math.sqrt(n_seeds)
    return fmean(run.score for run in runs), math.hypot(of_seeds, fmean(run.sample_error for run in runs))


def is_exchangeable(evidence: Evidence) -> bool:
    """Whether its trials might have come in any order."""
    return evidence.spec.sampler.name in EXCHANGEABLE and not evidence.spec.warm_start.params


def arm(evidence: Evidence, happened: tuple[Event, ...]) -> Arm:
    """For the score that is taken home."""
    outcomes = [
        Outcome(
            trial=event.trial.row.number,
            rung=event.run.rung,
            cost=event.run.optimiser_steps,
            validation=event.run.validation,
            score=event.score,
            error=event.error,
            eligible=event.trial.feasible,
        )
        for event in happened
    ]
    return Arm.of(outcomes, exchangeable=is_exchangeable(evidence))


def frontier(evidence: Evidence, happened: tuple[Event, ...], box: "Box") -> Frontier:
    """For the hypervolume within a box."""
    points = box.scaled([event.values for event in happened])
    points[[not event.trial.feasible for event in happened]] = 0.0
    return Frontier(
        trial=np.array([event.trial.row.number for event in happened], dtype=np.intp),
        cost=np.array([event.run.optimiser_steps for event in happened], dtype=np.float64),
        points=points,
        error=np.array([event.error for event in happened]) / box.extent[0],
        exchangeable=is_exchangeable(evidence),
    )


@dataclass(frozen=True, slots=True)
class Box:
    """From the worst to the best value of each objective; where all are equal, its side counts as 1."""

    worst: NDArray[np.float64]
    best: NDArray[np.float64]

    @classmethod
    def around(cls, values: list[Values]) -> "Box":
        """Everything that any feasible trial has come to."""
        table = np.array(values, dtype=np.float64)
        return cls(table.min(axis=0), table.max(axis=0))

    @property
    def extent(self) -> NDArray[np.float64]:
        """The length of each side."""
        return np.where(self.best > self.worst, self.best - self.worst, 1.0)

    def scaled(self, values: list[Values]) -> NDArray[np.float64]:
        """Points (n, objectives) with 0 at the worst and 1 at the best; an objective that is the same for all is 1."""
        table = np.array(values, dtype=np.float64).reshape(len(values), len(self.worst))
        return np.where(self.best > self.worst, (table - self.worst) / self.extent, 1.0)
