"""A study whose truth is known: every trial has a true score, and runs see it through noise of a known size.

Written through the driver's side of the store, as a driver would: rung after rung, the best go on, leaders are measured again.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from statistics import fmean
from typing import Literal

from nas.ports import RunRecord
from nas.protocol import Protocol
from nas.run import (
    CurvePoint,
    Failure,
    Finished,
    LedgerEntry,
    Measurement,
    Result,
    RunKey,
    RunState,
    TaskResult,
)
from nas.statistics.intervals import mean_interval
from nas.trial import Confirmed, Trial, TrialState
from search_spaces.cost import price
from search_spaces.summary import summarise
from search_spaces.zoo import ZOO
from tests.api.seeding import Driver

SAMPLE_ERROR = 0.002
"""Of a task's value over one seed, from the draw of its test sequences."""
Truth = Callable[[Trial], float]
"""A trial's true score, from 0 to 1."""


@dataclass(frozen=True)
class Plan:
    """What is planted. seen: what a rung shows of a true score; noise: the standard deviation over seeds; keep: the share that
    goes on from each rung; fresh: seeds that the best `confirmed` are measured again with; failures: trials that crash."""

    truth: Truth
    n_trials: int
    noise: float = 0.01
    keep: float = 1.0
    seen: Callable[[int, float], float] = lambda _rung, truth: truth
    confirmed: int = 0
    fresh: int = 0
    failures: int = 0
    curve_points: int = 0
    seed: int = 0
    devices: Sequence[str] = field(default=("cpu",))


def plant(driver: Driver, plan: Plan) -> None:
    """Fill a study whose driver this is."""
    rng, protocol = Random(plan.seed), driver.claim.spec.protocol
    trials = _proposed(driver, plan, rng)
    driver.write(trials=tuple(trials))
    trials = _without_failures(driver, trials, plan.failures)
    for rung in range(len(protocol.rungs)):
        going_on = rung < protocol.last_rung
        trials = _measured(
            driver, trials, [rung], plan, rng, TrialState.PAUSED if going_on or plan.fresh else TrialState.COMPLETED
        )
        if going_on:
            own = sorted((trial for trial in trials if trial.reference is None), key=_validation, reverse=True)
            trials = [trial for trial in trials if trial.reference is not None] + own[: max(1, round(plan.keep * len(own)))]
    if plan.fresh:
        best = sorted(trials, key=_validation, reverse=True)[: plan.confirmed]
        _measured(driver, best, [len(protocol.rungs) + k for k in range(plan.fresh)], plan, rng, TrialState.COMPLETED)


def _validation(trial: Trial) -> float:
    return trial.result.validation_score if trial.result else 0.0


def _proposed(driver: Driver, plan: Plan, rng: Random) -> list[Trial]:
    spec = driver.claim.spec
    found = []
    for number in range(len(spec.references) + plan.n_trials):
        reference = spec.references[number] if number < len(spec.references) else None
        params = {} if reference else spec.space.sample(rng)
        architecture = ZOO[reference].build() if reference else spec.space.build(params)
        found.append(
            Trial(
                number=number,
                state=TrialState.QUEUED,
                params=params,
                architecture=architecture,
                summary=summarise(architecture),
                cost=price(architecture, spec.cost_at.context),
                reference=reference,
            )
        )
    return found


def _without_failures(driver: Driver, trials: list[Trial], n: int) -> list[Trial]:
    """The last n crash at rung 0."""
    crashed = trials[len(trials) - n :]
    keys = [RunKey(driver.claim.study_id, trial.number, 0, 1) for trial in crashed]
    running = tuple(replace(trial, state=TrialState.RUNNING) for trial in crashed)
    driver.write(trials=running, runs=tuple(RunRecord(key=key, state=RunState.RUNNING) for key in keys))
    failure = Failure(kind="crash", message="the worker was killed")
    driver.write(
        trials=tuple(replace(trial, state=TrialState.FAILED, reason="the worker was killed") for trial in running),
        runs=tuple(RunRecord(key=key, state=RunState.FAILED, finished=_finished(key, failure=failure)) for key in keys),
    )
    return trials[: len(trials) - n]


def _measured(driver: Driver, trials: list[Trial], rungs: list[int], plan: Plan, rng: Random, state: TrialState) -> list[Trial]:
    """Run these trials at these rungs. The row shows the mean of all of them, at the first."""
    queued = [replace(trial, state=TrialState.QUEUED) for trial in trials]
    if rungs[0]:
        driver.write(trials=tuple(queued))
    last = driver.claim.spec.protocol.last_rung
    running = [replace(trial, state=TrialState.RUNNING) for trial in queued]
    keys = {trial.number: [RunKey(driver.claim.study_id, trial.number, rung, 1) for rung in rungs] for trial in running}
    every = [key for trial in running for key in keys[trial.number]]
    driver.write(trials=tuple(running), runs=tuple(RunRecord(key=key, state=RunState.RUNNING) for key in every))
    results = {
        trial.number: [_result(key, trial, plan, driver.claim.spec.protocol, rng) for key in keys[trial.number]]
        for trial in running
    }
    scored = [
        replace(
            trial,
            state=state,
            rung=rungs[0],
            result=results[trial.number][0],
            confirmed=_confirmed(results[trial.number]) if rungs[0] > last else None,
        )
        for trial in running
    ]
    ended = [
        RunRecord(key=key, state=RunState.SUCCEEDED, finished=_finished(key, result=result))
        for trial in scored
        for key, result in zip(keys[trial.number], results[trial.number], strict=True)
    ]
    driver.write(trials=tuple(scored), runs=tuple(ended))
    return scored


def _finished(key: RunKey, result: Result | None = None, failure: Failure | None = None) -> Finished:
    return Finished(
        study_id=key.study_id, number=key.number, rung=key.rung, attempt=key.attempt, result=result, failure=failure
    )


def _confirmed(results: list[Result]) -> Confirmed:
    """What fresh seeds say together."""
    scores = [result.score for result in results]
    found = mean_interval(scores, _sample_error(results)).within(0.0, 1.0) if len(scores) > 1 else None
    low, high = (found.low, found.high) if found else (results[0].score_low, results[0].score_high)
    covers: Literal["replicas", "test_sample"] = "replicas" if len(scores) > 1 else "test_sample"
    mean = fmean(scores)
    return Confirmed(score=mean, score_low=low, score_high=high, interval=covers, n_seeds=len(scores), metrics={"score": mean})


def _sample_error(results: list[Result]) -> float:
    return SAMPLE_ERROR / math.sqrt(len(results[0].tasks))


def _result(key: RunKey, trial: Trial, plan: Plan, protocol: Protocol, rng: Random) -> Result:
    """Each task has the trial's true score; the middle learning rate is best. A seed's luck is in validation and test alike."""
    last = protocol.last_rung
    truth = plan.seen(min(key.rung, last), plan.truth(trial))
    replicas = 1 if key.rung > last else protocol.rungs[key.rung].replicas
    steps = protocol.rungs[min(key.rung, last)].steps
    rates = protocol.learning_rates
    chosen = len(rates) // 2
    tasks, ledger = [], []
    for task in protocol.task_keys():
        values = tuple(_clipped(rng.gauss(truth, plan.noise)) for _ in range(replicas))
        tasks.append(_task(task, values, rates[chosen]))
        ledger += [
            LedgerEntry(
                task=task,
                learning_rate=rate,
                replica=replica,
                validation=_clipped(rng.gauss(value, plan.noise / 5) - 0.05 * abs(at - chosen)),
                test=value,
                curve=tuple(CurvePoint(step=step + 1, loss=1 / (step + 1)) for step in range(plan.curve_points)),
            )
            for at, rate in enumerate(rates)
            for replica, value in enumerate(values)
        ]
    score = fmean(fmean(task.values) for task in tasks)
    seeds = [fmean(values) for values in zip(*(task.values for task in tasks), strict=True)]
    within = mean_interval(seeds, SAMPLE_ERROR / len(tasks) ** 0.5).within(0.0, 1.0)
    validation = fmean(entry.validation or 0.0 for entry in ledger if entry.learning_rate == rates[chosen])
    return Result(
        score=score,
        score_low=within.low,
        score_high=within.high,
        interval=within.covers,
        validation_score=validation,
        tasks=tuple(tasks),
        ledger=tuple(ledger),
        measurement=Measurement(
            n_params=trial.cost.params,
            optimiser_steps=steps * replicas * len(rates),
            tokens=steps * replicas * len(rates) * 64,
            wall_seconds=2.0,
            train_tokens_per_second=1000.0,
            peak_memory_bytes=1,
            device=plan.devices[trial.number % len(plan.devices)],
            host="here",
            versions={"nas": "0.1.0", "torch": "2"},
        ),
        folder=f"studies/{key.study_id}/trials/{key.number}/rung-{key.rung}/attempt-{key.attempt}",
    )


def _task(task: str, values: tuple[float, ...], rate: float) -> TaskResult:
    return TaskResult(
        task=task,
        metric="accuracy",
        learning_rate=rate,
        edge_of_grid=False,
        values=values,
        standard_error=SAMPLE_ERROR,
        score=fmean(values),
        data_digest="0" * 64,
        sensitivity=0.05,
    )


def _clipped(value: float) -> float:
    return min(1.0, max(0.0, value))
