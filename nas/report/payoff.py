"""Did the search pay? Its curves beside those of its baselines, and a verdict for each at equal cost.

To have beaten random search it takes both: that what it takes home is better by more than measurement explains, and that its
trials are better than random ones, since a search that learns nothing is ahead half of the time.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from nas.keys import Principal
from nas.objectives import objectives_of
from nas.report.arms import Box, Event, arm, events, frontier
from nas.report.document import Noise
from nas.report.estimate import Estimate
from nas.report.evidence import Evidence, read_evidence
from nas.report.leaders import noise
from nas.report.payoff_document import Axis, Comparison, CostPoint, Payoff, SearchArm
from nas.report.verdicts import Compared
from nas.statistics.anytime import Arm, Band, curve, lead, taken_home
from nas.statistics.frontier import Frontier, hypervolume_curve, lead_interval
from nas.statistics.hypervolume import levels, non_dominated
from nas.statistics.intervals import NORMAL_975
from nas.statistics.superiority import Superiority, superiority
from nas.study import FINAL_STUDY_STATES
from nas.trial import TrialState

N_POINTS: Final = 48
"""Points of a curve: as many as a small drawing shows."""
MAX_COMPARED: Final = 2000
"""Trials of each side whose first rungs are compared, evenly spread: fronts of all of them take time that rises faster."""


def read_payoff(engine: Engine, principal: Principal, study_id: str) -> Payoff:
    """For who wants nothing else of the report. Raises `NotFound`."""
    found = read_evidence(engine, principal, study_id)
    return payoff(found, read_baselines(engine, principal, found))


def read_baselines(engine: Engine, principal: Principal, evidence: Evidence) -> tuple[Evidence, ...]:
    """What the study's baselines measured so far."""
    return tuple(read_evidence(engine, principal, one.id) for one in evidence.study.baselines)


def payoff(evidence: Evidence, baselines: Sequence[Evidence]) -> Payoff:
    """From the study and its baselines, in their order."""
    floor = next((each for one in (evidence, *baselines) for each in noise(one) if each.task is None), None)
    happened = [events(one, floor) for one in (evidence, *baselines)]
    box = _box(evidence, happened)
    ours, *theirs = [_Side.of(one, each, box) for one, each in zip((evidence, *baselines), happened, strict=True)]
    most = max((min(ours.arm.total, other.arm.total) for other in theirs), default=ours.arm.total)
    begins = max([side.arm.begins for side in (ours, *theirs) if np.isfinite(side.arm.begins)], default=0.0)
    costs = np.unique(np.round(np.linspace(begins, most, N_POINTS))) if begins <= most else np.empty(0)
    return Payoff(
        search=ours.document(costs),
        comparisons=tuple(_comparison(ours, other, other.document(costs), floor) for other in theirs),
        axes=() if box is None else _axes(evidence, box),
        accompanies=evidence.study.accompanies.name if evidence.study.accompanies else None,
    )


def _box(evidence: Evidence, happened: Sequence[tuple[Event, ...]]) -> Box | None:
    """None with one objective, or nothing measured."""
    values = [event.values for each in happened for event in each if event.trial.feasible]
    return Box.around(values) if values and len(evidence.spec.objectives) > 1 else None


def _axes(evidence: Evidence, box: Box) -> tuple[Axis, ...]:
    """In the units of the objectives: a value that is to be small was turned round."""
    names = ["score", *(name for name in evidence.spec.objectives if name != "score")]
    signs = [1 if metric.maximize else -1 for metric in sorted(objectives_of(evidence.spec), key=lambda m: names.index(m.name))]
    return tuple(
        Axis(objective=name, worst=sign * float(worst), best=sign * float(best))
        for name, sign, worst, best in zip(names, signs, box.worst, box.best, strict=True)
    )


@dataclass(frozen=True, slots=True)
class _Side:
    """An arm with all that is compared."""

    evidence: Evidence
    events: tuple[Event, ...]
    arm: Arm
    frontier: Frontier | None

    @classmethod
    def of(cls, evidence: Evidence, happened: tuple[Event, ...], box: Box | None) -> "_Side":
        return cls(evidence, happened, arm(evidence, happened), None if box is None else frontier(evidence, happened, box))

    def document(self, costs: NDArray[np.float64]) -> SearchArm:
        """With its curves at those of the costs that it has come to."""
        row, own = self.evidence.study, [trial for trial in self.evidence.trials if trial.row.reference is None]
        within = costs[(costs >= self.arm.begins) & (costs <= self.arm.total)]
        n_of = {state: sum(trial.row.state is state for trial in own) for state in TrialState}
        broken = sum(not trial.feasible and bool(trial.rungs) for trial in own)
        return SearchArm(
            study=row.id,
            name=row.name,
            sampler=self.evidence.spec.sampler.name,
            state=row.state,
            measured=row.measured,
            budget=row.budget,
            optimiser_steps=round(self.arm.total),
            on_front=_on_front(self.events),
            infeasible=n_of[TrialState.INFEASIBLE] - broken,
            broken=broken,
            duplicates=n_of[TrialState.DUPLICATE],
            failed=n_of[TrialState.FAILED],
            curve=_points(within, curve(self.arm, within)) if len(within) else (),
            hypervolume=_points(within, hypervolume_curve(self.frontier, within)) if self.frontier and len(within) else (),
        )

    def first_runs(self, cost: float) -> list[Event]:
        """Each feasible trial's first run, of those that had ended by then."""
        first = {event.trial.row.number: event for event in reversed(self.events)}
        return [event for event in first.values() if event.trial.feasible and event.steps <= cost]


def _points(costs: NDArray[np.float64], band: Band) -> tuple[CostPoint, ...]:
    cut = (np.clip(values, 0.0, 1.0).tolist() for values in (band.value, band.low, band.high))
    return tuple(
        CostPoint(optimiser_steps=round(cost), value=value, low=low, high=high)
        for cost, value, low, high in zip(costs.tolist(), *cut, strict=True)
    )


def _on_front(happened: Sequence[Event]) -> int:
    """Trials at the highest rung that no other of them beats."""
    feasible = [event for event in happened if event.trial.feasible]
    highest = max((event.run.rung for event in feasible), default=0)
    values = [event.values for event in feasible if event.run.rung == highest]
    return int(non_dominated(np.array(values, dtype=np.float64)).sum()) if values else 0


def _comparison(ours: _Side, theirs: _Side, document: SearchArm, floor: Noise | None) -> Comparison:
    cost = min(ours.arm.total, theirs.arm.total)
    final = all(side.evidence.study.state in FINAL_STUDY_STATES for side in (ours, theirs))
    found = Compared(
        baseline=document,
        measure="hypervolume" if ours.frontier else "score",
        optimiser_steps=round(cost),
        final=final,
        n_trials=(len(ours.first_runs(cost)), len(theirs.first_runs(cost))),
        noise=None if floor is None else floor.standard_deviation,
    )
    if cost < max(ours.arm.begins, theirs.arm.begins):
        return found.document()
    at = np.array([cost])
    if ours.frontier and theirs.frontier:
        each = [hypervolume_curve(frontier, at) for frontier in (ours.frontier, theirs.frontier)]
        value = float(each[0].value[0] - each[1].value[0])
        difference = (value, *lead_interval(ours.frontier, theirs.frontier, cost, value))
    else:
        difference = lead(ours.arm, theirs.arm, cost)
        each = [curve(side.arm, at) for side in (ours, theirs)]
    return replace(
        found,
        ours=_estimate(each[0]),
        theirs=_estimate(each[1]),
        difference=Estimate(value=difference[0], low=difference[1], high=difference[2]),
        superiority=_superiority(ours.first_runs(cost), theirs.first_runs(cost)),
        tested=theirs.arm.exchangeable,
        reach=_reach(ours, theirs, at),
    ).document()


def _estimate(band: Band) -> Estimate:
    value, low, high = (float(np.clip(each[0], 0.0, 1.0)) for each in (band.value, band.low, band.high))
    return Estimate(value=value, low=low, high=high)


def _superiority(ours: Sequence[Event], theirs: Sequence[Event]) -> Superiority | None:
    """Of the trials at their first rung: by score, or by the front of all of them together that each belongs to."""
    if not ours or not theirs:
        return None
    ours, theirs = (side[:: math.ceil(len(side) / MAX_COMPARED)] for side in (ours, theirs))
    values = np.array([event.values for event in (*ours, *theirs)], dtype=np.float64)
    merits = values[:, 0] if values.shape[1] == 1 else -levels(values).astype(np.float64)
    return superiority(merits[: len(ours)].tolist(), merits[len(ours) :].tolist())


def _reach(ours: _Side, theirs: _Side, at: NDArray[np.float64]) -> float:
    """Half of the interval that the errors of the scores alone leave to the difference."""
    errors = (float(side.arm.error[taken_home(side.arm, at)].mean()) for side in (ours, theirs))
    return NORMAL_975 * math.hypot(*errors)
