"""The metrics that objectives, constraints and leaderboard columns may name: one table."""

from dataclasses import dataclass
from typing import Literal

ExactMetric = Literal["params", "active_params", "flops_per_token", "state_bytes"]
MetricName = Literal["score", "params", "active_params", "flops_per_token", "state_bytes"]


@dataclass(frozen=True, slots=True)
class Metric:
    """`exact` metrics are known from the architecture alone, before anything is trained."""

    name: MetricName
    title: str
    unit: str
    maximize: bool
    exact: bool


METRICS: dict[MetricName, Metric] = {
    metric.name: metric
    for metric in (
        Metric("score", "Score (mean over tasks, 0 to 1)", "", maximize=True, exact=False),
        Metric("params", "Parameters", "parameters", maximize=False, exact=True),
        Metric("active_params", "Parameters one token uses", "parameters", maximize=False, exact=True),
        Metric("flops_per_token", "Forward FLOPs per token", "FLOPs", maximize=False, exact=True),
        Metric("state_bytes", "Decode state per sequence", "bytes", maximize=False, exact=True),
    )
}
