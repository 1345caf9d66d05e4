"""What a study cost from end to end, how its learning rates were chosen, and how its best score grew with what was spent."""

from collections import Counter
from collections.abc import Iterable
from statistics import fmean
from typing import Final

from nas.report.document import Failed, OnDevice, Progress, RateCurve, RatePoint, RateUse, Spent, TaskLedger
from nas.report.evidence import Attempt, Evidence, Measured, TaskScores, TrialEvidence, Tried
from nas.trial import TrialState

MAX_CURVES: Final = 8


def spent(evidence: Evidence) -> Spent:
    """Every run counts, those without a result too."""
    results = tuple(evidence.results())
    here = [result for result in results if not result.reused]
    devices = sorted({result.device for result in here})
    kinds = Counter(attempt.kind for attempt in evidence.failed)
    return Spent(
        runs=evidence.n_runs,
        reused_runs=sum(result.reused for result in results),
        infeasible=_untrained(evidence, TrialState.INFEASIBLE),
        duplicates=_untrained(evidence, TrialState.DUPLICATE),
        optimiser_steps=sum(result.optimiser_steps for result in results),
        tokens=sum(result.tokens for result in results),
        devices=tuple(_on(device, [result for result in here if result.device == device]) for device in devices),
        failed=tuple(_failed(kind, [attempt for attempt in evidence.failed if attempt.kind == kind]) for kind in sorted(kinds)),
        failed_seconds=sum(attempt.seconds for attempt in evidence.failed),
        failed_trials=evidence.study.counts.get(TrialState.FAILED, 0),
        elapsed_seconds=_elapsed(evidence),
    )


def _untrained(evidence: Evidence, state: TrialState) -> int:
    return sum(trial.row.state is state and trial.row.rung is None for trial in evidence.trials)


def _on(device: str, results: list[Measured]) -> OnDevice:
    hosts = tuple(sorted({result.host for result in results}))
    return OnDevice(device=device, hosts=hosts, runs=len(results), wall_seconds=sum(result.wall_seconds for result in results))


def _failed(kind: str, attempts: list[Attempt]) -> Failed:
    return Failed(
        kind=kind,
        runs=len(attempts),
        seconds=sum(attempt.seconds for attempt in attempts),
        example=next((attempt.message for attempt in attempts if attempt.message), "")[:300],
    )


def _elapsed(evidence: Evidence) -> float | None:
    """By the clock: to the end, or to the last change of a trial while the study runs."""
    study = evidence.study
    end = study.ended_at or max((trial.row.updated_at for trial in evidence.trials), default=None)
    return None if study.started_at is None or end is None else max(0.0, (end - study.started_at).total_seconds())


def progress(evidence: Evidence) -> tuple[Progress, ...]:
    """Each time the best score of the search at the last rung rose, in the order in which runs ended."""
    last, steps, best = evidence.spec.protocol.last_rung, 0, float("-inf")
    found: list[Progress] = []
    for trial, run in _in_time(evidence):
        steps += run.optimiser_steps
        if trial.row.reference is None and trial.feasible and run.rung == last and run.score > best:
            best = run.score
            found.append(Progress(optimiser_steps=steps, best=best))
    if found and found[-1].optimiser_steps < steps:
        found.append(Progress(optimiser_steps=steps, best=best))
    return tuple(found)


def _in_time(evidence: Evidence) -> list[tuple[TrialEvidence, Measured]]:
    runs = [(trial, run) for trial in evidence.trials for run in (*trial.rungs.values(), *trial.fresh) if run.ended_at]
    return sorted(runs, key=lambda pair: (pair[1].ended_at, pair[0].row.number, pair[1].rung))


def ledgers(evidence: Evidence) -> tuple[TaskLedger, ...]:
    """One for each task of the protocol."""
    return tuple(_ledger(task, evidence) for task in evidence.spec.protocol.task_keys())


def _ledger(task: str, evidence: Evidence) -> TaskLedger:
    entries = [
        tried for trial in evidence.trials for result in trial.rungs.values() for tried in result.ledger if tried.task == task
    ]
    highest = [top.tasks[task] for trial in evidence.trials if (top := highest_run(trial)) is not None]
    spreads = [found.sensitivity for found in highest if found.sensitivity is not None]
    return TaskLedger(
        task=task,
        rates=tuple(_use(rate, entries, highest) for rate in evidence.spec.protocol.learning_rates),
        trials=len(highest),
        at_edge=sum(found.edge_of_grid for found in highest),
        mean_sensitivity=fmean(spreads) if spreads else None,
        largest_sensitivity=max(spreads, default=None),
    )


def _use(rate: float, entries: Iterable[Tried], highest: Iterable[TaskScores]) -> RateUse:
    own = [tried for tried in entries if tried.learning_rate == rate]
    return RateUse(
        learning_rate=rate,
        trainings=len(own),
        diverged=sum(tried.validation is None for tried in own),
        chosen=sum(found.learning_rate == rate for found in highest),
    )


def highest_run(trial: TrialEvidence) -> Measured | None:
    """The run at the highest rung of the protocol that the trial has."""
    return trial.rungs[max(trial.rungs)] if trial.rungs else None


def rate_curves(trials: Iterable[TrialEvidence]) -> tuple[RateCurve, ...]:
    """Of the first few of these trials that trained more than one learning rate."""
    found: list[RateCurve] = []
    for trial in trials:
        top = highest_run(trial)
        if top is not None and len(found) < MAX_CURVES:
            found += [curve for task in top.tasks if len((curve := _curve(trial, top, task)).points) > 1]
    return tuple(found)


def _curve(trial: TrialEvidence, run: Measured, task: str) -> RateCurve:
    by_rate: dict[float, list[float]] = {}
    for tried in run.ledger:
        if tried.task == task:
            by_rate.setdefault(tried.learning_rate, []).append(0.0 if tried.validation is None else tried.validation)
    return RateCurve(
        number=trial.row.number,
        reference=trial.row.reference,
        task=task,
        chosen=run.tasks[task].learning_rate,
        at_edge=run.tasks[task].edge_of_grid,
        points=tuple(RatePoint(learning_rate=rate, validation=fmean(by_rate[rate])) for rate in sorted(by_rate)),
    )
