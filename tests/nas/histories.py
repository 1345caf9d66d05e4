"""A study's trials as the service hands them out, in every state there is, without a service."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

from nas.store.views import RungView, TrialHistory, TrialRow
from nas.study import StudySpec
from nas.trial import TrialState
from search_spaces.cost import price
from search_spaces.primitives import CostContext

START = datetime(2026, 11, 1, 12, tzinfo=UTC)
STATES = (
    TrialState.COMPLETED, TrialState.PRUNED, TrialState.INFEASIBLE, TrialState.FAILED, TrialState.CANCELLED,
    TrialState.RUNNING, TrialState.PAUSED, TrialState.DUPLICATE,
)  # fmt: skip
PASSED = {TrialState.COMPLETED: 3, TrialState.PRUNED: 1, TrialState.PAUSED: 2, TrialState.CANCELLED: 1}


def history(spec: StudySpec, n_trials: int) -> list[TrialHistory]:
    """The references, and then trials in each state in turn; a duplicate is one of the trial eight before it."""
    rng, made = Random(0), list[TrialHistory]()
    architecture = spec.space.build(spec.space.sample(rng))
    cost = price(architecture, CostContext(context_length=4096))
    for number in range(n_trials):
        reference = spec.references[number] if number < len(spec.references) else None
        state = TrialState.COMPLETED if reference else STATES[(number - len(spec.references)) % len(STATES)]
        twin = number - 7 if state is TrialState.DUPLICATE else None
        scores = [rng.random() for _ in range(PASSED.get(state, 0))]
        rungs = tuple(
            RungView(rung=rung, reported={"score": score}, searched={"score": score + 0.01})
            for rung, score in enumerate(scores)
        )
        score = scores[-1] if scores else None
        row = TrialRow(
            number=number, state=state, reference=reference, summary=f"model {number}", architecture_digest="ab" * 32,
            cost=replace(cost, params=cost.params + number), rung=len(rungs) - 1 if rungs else None, score=score,
            score_low=score, score_high=score, interval="replicas" if scores else None, n_replicas=2 if scores else None,
            metrics={"score": score} if score is not None else {}, pareto=False, twin=twin,
            reason="because" if state is TrialState.FAILED else None, created_at=START + timedelta(seconds=number),
            updated_at=START + timedelta(seconds=number, minutes=1),
        )  # fmt: skip
        params = {} if reference else made[twin].params if twin is not None else spec.space.sample(rng)
        made.append(TrialHistory(row=row, params=params, rungs=rungs))
    return made
