"""Whether the cheap scores of a study may be believed: rung against rung, task against score, and the parameter count."""

from itertools import pairwise
from typing import Final

from nas.report.document import Calibration, Pair, ParameterRank, Precision, RungCalibration, TaskCalibration
from nas.report.estimate import Estimate
from nas.report.evidence import Evidence, TrialEvidence
from nas.statistics.agreement import AgainstParameters, Scores, against_parameters, calibrate
from nas.statistics.correlation import Correlation, spearman

MAX_PAIRS: Final = 300
"""Points of a scatter that a person can still see apart."""
MAX_COMPARED: Final = 2000
"""Trials that are compared: the work rises with their square, and their intervals are narrow enough."""


def calibration(evidence: Evidence) -> Calibration:
    """From every trial that has what a comparison needs, references included."""
    last = evidence.spec.protocol.last_rung
    rungs = _by_rung(evidence.trials, last)
    params = {trial.row.number: float(trial.row.cost.params) for trial in evidence.trials}
    levels = sorted(rungs)
    steps = list(pairwise(levels))
    return Calibration(
        rungs=tuple(
            compare_rungs(lower, upper, rungs[lower][0], rungs[upper][1], params, fresh=upper > last) for lower, upper in steps
        ),
        tasks=tuple(found for lower, upper in steps for found in _tasks(evidence.trials, lower, rungs[upper][1])),
        parameters=tuple(_parameters(rung, rungs[rung][1], params) for rung in levels),
    )


def compare_rungs(
    lower: int, upper: int, proxy: Scores, target: Scores, params: Scores, *, fresh: bool = False
) -> RungCalibration:
    """Validation scores of a rung against test scores of a higher one, or those on fresh seeds; larger is better in both."""
    name = f"rung {lower}"
    n_both = len(proxy.keys() & target.keys())
    proxy = _sampled(proxy, target)
    found = calibrate(name, proxy, target)
    beside = against_parameters(name, proxy, params, target)
    return RungCalibration(
        lower=lower,
        upper=upper,
        n_trials=found.n_trials,
        n_both=n_both,
        kendall=estimate(found.kendall),
        spearman=estimate(found.spearman),
        precision=tuple(Precision(k=k, share=share) for k, share in found.precision.items()),
        parameters=beside.parameters_spearman,
        difference=_difference(beside),
        verdict=beside.verdict,
        warning=None if fresh else beside.warning,
        pairs=_pairs(proxy, target),
    )


def _sampled(scores: Scores, target: Scores) -> Scores:
    """Those that have both, or an even sample of them: every so many in order of number."""
    both = sorted(scores.keys() & target.keys())
    step = len(both) / MAX_COMPARED
    return {number: scores[number] for number in (both if step <= 1 else [both[int(at * step)] for at in range(MAX_COMPARED)])}


def estimate(found: Correlation | None) -> Estimate | None:
    """A correlation as the report has it."""
    return None if found is None else Estimate(value=found.value, low=found.low, high=found.high)


def _difference(beside: AgainstParameters) -> Estimate | None:
    if beside.difference is None:
        return None
    return Estimate(value=beside.difference, low=beside.low, high=beside.high)


def _by_rung(trials: tuple[TrialEvidence, ...], last: int) -> dict[int, tuple[Scores, Scores]]:
    """Of each rung that anybody has reached, validation and test scores by trial; fresh seeds stand above the last rung."""
    found: dict[int, tuple[dict[int, float], dict[int, float]]] = {}
    for trial in trials:
        for rung, result in trial.rungs.items():
            validation, test = found.setdefault(rung, ({}, {}))
            validation[trial.row.number], test[trial.row.number] = result.validation, result.score
        if trial.fresh:
            scores = trial.fresh_scores
            found.setdefault(last + 1, ({}, {}))[1][trial.row.number] = sum(scores) / len(scores)
    return dict(found)


def _tasks(trials: tuple[TrialEvidence, ...], lower: int, target: Scores) -> list[TaskCalibration]:
    """Of a study with one task the task is the score, so that there is nothing to add."""
    found: dict[str, dict[int, float]] = {}
    for trial in trials:
        if lower in trial.rungs and trial.row.number in target:
            for task, scores in trial.rungs[lower].tasks.items():
                found.setdefault(task, {})[trial.row.number] = scores.validation
    if len(found) < 2:
        return []
    return [_task(lower, task, scores, target) for task, scores in found.items()]


def _task(rung: int, task: str, scores: Scores, target: Scores) -> TaskCalibration:
    found = calibrate(task, _sampled(scores, target), target)
    sign = found.spearman.sign if found.spearman else 0
    return TaskCalibration(rung=rung, task=task, n_trials=found.n_trials, spearman=estimate(found.spearman), sign=sign)


def _parameters(rung: int, target: Scores, params: Scores) -> ParameterRank:
    compared = _sampled(params, target)
    return ParameterRank(rung=rung, n_trials=len(compared), spearman=_rho(compared, target))


def _rho(params: Scores, target: Scores) -> Estimate | None:
    common = sorted(params.keys() & target.keys())
    if len(common) < 2:
        return None
    return estimate(spearman([params[number] for number in common], [target[number] for number in common]))


def _pairs(lower: Scores, upper: Scores) -> tuple[Pair, ...]:
    common = sorted(lower.keys() & upper.keys())[:MAX_PAIRS]
    return tuple(Pair(number=number, lower=lower[number], upper=upper[number]) for number in common)
