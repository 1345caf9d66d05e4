"""The metrics that objectives, constraints and leaderboard columns may name: fixed ones, and those of a protocol's tasks.

A task's metrics are named `KEY/METRIC`, such as `mqar/accuracy` or `needle/accuracy@length=256`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Final, Literal

from nas.protocol import Protocol
from nas.run import Result

ExactMetric = Literal["params", "active_params", "flops_per_token", "state_bytes"]


@dataclass(frozen=True, slots=True)
class Metric:
    """`exact` metrics are known from the architecture alone, before anything is trained."""

    name: str
    title: str
    unit: str
    maximize: bool
    exact: bool = False


METRICS: Final[dict[str, Metric]] = {
    metric.name: metric
    for metric in (
        Metric("score", "Score (mean over tasks, 0 to 1)", "", maximize=True),
        Metric("params", "Parameters", "parameters", maximize=False, exact=True),
        Metric("active_params", "Parameters one token uses", "parameters", maximize=False, exact=True),
        Metric("flops_per_token", "Forward FLOPs per token", "FLOPs", maximize=False, exact=True),
        Metric("state_bytes", "Decode state per sequence", "bytes", maximize=False, exact=True),
        Metric("train_tokens_per_second", "Training speed as measured", "tokens/s", maximize=True),
        Metric("peak_memory_bytes", "Peak memory of a run", "bytes", maximize=False),
        Metric("learning_rate_sensitivity", "Spread of the score over the learning rates", "", maximize=False),
        Metric("extrapolation_gap", "Score lost on longer sequences", "", maximize=False),
        Metric("forgetting", "Score lost on what was learnt first", "", maximize=False),
    )
}
"""Those that every study may name; `known` adds its tasks' own."""


def known(protocol: Protocol) -> dict[str, Metric]:
    """Every metric that a study of this protocol may name."""
    return METRICS | {metric.name: metric for metric in _of_tasks(protocol)}


def _of_tasks(protocol: Protocol) -> Iterable[Metric]:
    for key, label, task in zip(protocol.task_keys(), protocol.task_labels(), protocol.tasks, strict=True):
        yield Metric(f"{key}/{task.metric}", f"{label}: {task.metric.replace('_', ' ')}", "", task.higher_is_better)
        for metric in task.further_metrics():
            yield Metric(f"{key}/{metric.name}", f"{label}: {metric.title}", metric.unit, metric.higher_is_better)


def reported_metrics(result: Result) -> dict[str, float]:
    """Everything a run measured, on test data, by the names of `known`: what a reader is told."""
    return {"score": result.score} | _flat({task.task: task.metrics for task in result.tasks}) | _measured(result)


def search_metrics(result: Result) -> dict[str, float]:
    """The same for the search: on validation data where there is such, and otherwise on test data."""
    found = {task.task: task.metrics | task.validation for task in result.tasks}
    return {"score": result.validation_score} | _flat(found) | _measured(result)


def _flat(tasks: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    own = {f"{key}/{name}": value for key, metrics in tasks.items() for name, value in metrics.items()}
    summaries = ("extrapolation_gap", "forgetting")
    lists = {name: [metrics[name] for metrics in tasks.values() if name in metrics] for name in summaries}
    return own | {name: fmean(values) for name, values in lists.items() if values}


def _measured(result: Result) -> dict[str, float]:
    spreads = [task.sensitivity for task in result.tasks if task.sensitivity is not None]
    return {
        "train_tokens_per_second": result.measurement.train_tokens_per_second,
        "peak_memory_bytes": float(result.measurement.peak_memory_bytes),
        **({"learning_rate_sensitivity": fmean(spreads)} if spreads else {}),
    }
