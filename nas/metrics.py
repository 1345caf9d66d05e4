"""The metrics that objectives, constraints and leaderboard columns may name: fixed ones, and those of a protocol's tasks.

A task's metrics are named `KEY/METRIC`, such as `mqar/accuracy` or `needle/accuracy@length=256`.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from statistics import fmean
from typing import Final

from nas.protocol import Protocol
from nas.run import Result
from search_spaces.primitives import Cost


@dataclass(frozen=True, slots=True)
class Metric:
    """`exact` metrics are known from the architecture alone, before anything is trained.

    No value is below `low` or above `high`.
    """

    name: str
    title: str
    unit: str
    maximize: bool
    exact: bool = False
    low: float = -math.inf
    high: float = math.inf


METRICS: Final[dict[str, Metric]] = {
    metric.name: metric
    for metric in (
        Metric("score", "Score (mean over tasks, 0 to 1)", "", maximize=True, low=0, high=1),
        Metric("params", "Parameters", "parameters", maximize=False, exact=True, low=0),
        Metric("active_params", "Parameters one token uses", "parameters", maximize=False, exact=True, low=0),
        Metric("flops_per_token", "Forward FLOPs per token", "FLOPs", maximize=False, exact=True, low=0),
        Metric("state_bytes", "Decode state per sequence", "bytes", maximize=False, exact=True, low=0),
        Metric("train_tokens_per_second", "Training speed as measured", "tokens/s", maximize=True, low=0),
        Metric("peak_memory_bytes", "Peak memory of a run", "bytes", maximize=False, low=0),
        Metric("joules_per_token", "Energy of training, where the device counts it", "J/token", maximize=False, low=0),
        Metric("learning_rate_sensitivity", "Spread of the score over the learning rates", "", maximize=False, low=0, high=1),
        Metric("extrapolation_gap", "Score lost on longer sequences", "", maximize=False, low=-1, high=1),
        Metric("forgetting", "Score lost on what was learnt first", "", maximize=False, low=-1, high=1),
    )
}
"""Those of every protocol; `known` adds its tasks' own."""

_SUMMARIES: Final = ("extrapolation_gap", "forgetting")
"""Means over the tasks that report a metric of that name."""

LATENCY_METRICS: Final[dict[str, Metric]] = {
    metric.name: metric
    for metric in (
        Metric("prefill_seconds", "Time for the whole prompt as measured", "s", maximize=False, low=0),
        Metric(
            "decode_seconds_per_token", "Time for each token after the prompt as measured", "s/token", maximize=False, low=0
        ),
    )
}
"""Those of a protocol that has `latency`."""


MACHINE_METRICS: Final = frozenset({"train_tokens_per_second", "peak_memory_bytes", "joules_per_token", *LATENCY_METRICS})
"""Those that say as much of the machine as of the architecture."""


def known(protocol: Protocol) -> dict[str, Metric]:
    """Every metric there is a name for in a study of this protocol; `unmeasurable` says which it cannot ask for."""
    latency = LATENCY_METRICS if protocol.latency else {}
    return METRICS | latency | {metric.name: metric for metric in _of_tasks(protocol)}


def unmeasurable(name: str, protocol: Protocol) -> str | None:
    """Why a study of this protocol cannot ask for a metric, for a person; None when it can."""
    metrics = known(protocol)
    if name in LATENCY_METRICS and name not in metrics:
        return f'{name} is measured where the protocol says how; give protocol.latency, such as {{"prompt_length": 512}}'
    if name not in metrics:
        close = get_close_matches(name, metrics, n=1)
        names = ", ".join(map(repr, metrics))
        return f"there is no metric {name[:80]!r}; " + (f"did you mean {close[0]!r}?" if close else f"there are {names}")
    if name == "learning_rate_sensitivity" and len(protocol.learning_rates) == 1:
        return f"{name} needs at least two learning rates; give protocol.learning_rates another one"
    if name in _SUMMARIES and not any(name == metric.name for task in protocol.tasks for metric in task.further_metrics()):
        return f"no task of this protocol measures {name}; add one that does, or leave it out"
    return None


def unreachable(metric: Metric, low: float | None, high: float | None) -> str | None:
    """Why no architecture has a metric of at least `low` and at most `high`, for a person; None when one may."""
    whole = f"{metric.name} is never below {metric.low:g}" + (f" or above {metric.high:g}" if metric.high < math.inf else "")
    if low is not None and low > metric.high:
        return f"min {low} cannot be kept: {whole}; lower it, or leave it out"
    if high is not None and high < metric.low:
        return f"max {high} cannot be kept: {whole}; raise it, or leave it out"
    return None


_EXACT: Final = tuple(field.name for field in fields(Cost))


def exact_metrics(cost: Cost) -> dict[str, int]:
    """What is known of an architecture before anything is trained."""
    # not by asdict, which copies what cannot change and takes longer than all the rest of a proposal's judgement
    return {name: getattr(cost, name) for name in _EXACT}


def _of_tasks(protocol: Protocol) -> Iterable[Metric]:
    for key, label, task in zip(protocol.task_keys(), protocol.task_labels(), protocol.tasks, strict=True):
        own_title = f"{label}: {task.metric.replace('_', ' ')}"
        own = Metric(f"{key}/{task.metric}", own_title, "", task.higher_is_better, low=task.lowest, high=task.highest)
        yield own
        for n_loops in protocol.eval_loops:
            yield replace(own, name=f"{own.name}@loops={n_loops}", title=f"{own_title} with {n_loops} loops in evaluation")
        for metric in task.further_metrics():
            title = f"{label}: {metric.title}"
            # the same metric on another set has the same bounds
            low, high = (own.low, own.high) if metric.name.startswith(f"{task.metric}@") else (-math.inf, math.inf)
            yield Metric(f"{key}/{metric.name}", title, metric.unit, metric.higher_is_better, low=low, high=high)


def reported_metrics(result: Result) -> dict[str, float]:
    """Everything a run measured, on test data, by the names of `known`: what a reader is told."""
    return {"score": result.score} | _flat({task.task: task.metrics for task in result.tasks}) | _measured(result)


def search_metrics(result: Result) -> dict[str, float]:
    """The same for the search: on validation data where there is such, and otherwise on test data."""
    found = {task.task: task.metrics | task.validation for task in result.tasks}
    return {"score": result.validation_score} | _flat(found) | _measured(result)


def _flat(tasks: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    own = {f"{key}/{name}": value for key, metrics in tasks.items() for name, value in metrics.items()}
    lists = {name: [metrics[name] for metrics in tasks.values() if name in metrics] for name in _SUMMARIES}
    return own | {name: fmean(values) for name, values in lists.items() if values}


def _measured(result: Result) -> dict[str, float]:
    spreads = [task.sensitivity for task in result.tasks if task.sensitivity is not None]
    measurement = result.measurement
    found = {
        "train_tokens_per_second": measurement.train_tokens_per_second,
        "peak_memory_bytes": float(measurement.peak_memory_bytes),
        "joules_per_token": measurement.joules_per_token,
        "prefill_seconds": measurement.prefill_seconds,
        "decode_seconds_per_token": measurement.decode_seconds_per_token,
        "learning_rate_sensitivity": fmean(spreads) if spreads else None,
    }
    return {name: value for name, value in found.items() if value is not None}
