"""The metrics of tasks that foretell measurements: one step ahead, beside persistence, and further ahead by their own words.

Letters: B sequences, T times, C channels, H steps of the horizon.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from nas.tasks.forecast import ForecastTask
from workers.batch import Batch
from workers.learner import Learner
from workers.tasks.generator import Evaluation, Generator

CHUNK = 64
"""Sequences that are foretold at once."""


class ForecastGenerator(Generator):
    """Base of the generators of `nas.tasks.forecast.ForecastTask`. A sequence counts by its power, the mean of x^2."""

    def __init__(self, task: ForecastTask) -> None:
        self._horizon = task.horizon

    def sequence_values(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """The squared error over the power of each sequence; the weighted mean is the normalised squared error."""
        error_B = (predictions.double() - targets.double()).square().mean((1, 2))
        return error_B / self.sequence_weights(targets)

    def sequence_weights(self, targets: Tensor) -> Tensor:
        """The power, which a sequence of nothing but the mean has little of."""
        power_B: Tensor = targets.double().square().mean((1, 2))
        return power_B.clamp(min=torch.finfo(torch.float32).tiny)

    @torch.no_grad()
    def further_metrics(self, evaluation: Evaluation) -> Mapping[str, float]:
        """`persistence_ratio` and `error@horizon=H`, on the set's own trajectories from their second value on."""
        targets, learner = evaluation.targets, evaluation.learner
        device = next(learner.parameters()).device
        error, persistence, ahead, power = 0.0, 0.0, 0.0, 0.0
        for start in range(0, len(targets), CHUNK):
            part = targets[start : start + CHUNK]
            before, after = part[:, :-1].to(device), part[:, 1:].to(device)
            error += _squared_error(learner.predict(Batch(before, after)), after)
            persistence += _squared_error(before, after)
            foretold = rollout(learner, before[:, : -self._horizon + 1], self._horizon)
            ahead += _squared_error(foretold[:, -1], after[:, -1])
            power += _squared_error(torch.zeros_like(after[:, -1]), after[:, -1])
        # measurements may stand still for the whole of a set, or lie on the mean
        least = torch.finfo(torch.float32).tiny
        return {
            "persistence_ratio": error / max(persistence, least),
            f"error@horizon={self._horizon}": ahead / max(power, least),
        }


def rollout(learner: Learner, seen_BTC: Tensor, n_steps: int) -> Tensor:
    """What the learner says of the next `n_steps` values, [B, H, C], each read as if it had been seen."""
    n_seen = seen_BTC.shape[1]
    for _ in range(n_steps):
        following = learner.predict(Batch(seen_BTC, seen_BTC))[:, -1:]
        seen_BTC = torch.cat([seen_BTC, following.to(seen_BTC.dtype)], dim=1)
    return seen_BTC[:, n_seen:]


def _squared_error(predictions: Tensor, targets: Tensor) -> float:
    return (predictions.double() - targets.double()).square().sum().item()


def windows(values_BTC: Tensor) -> Batch:
    """Values, and those one step later."""
    return Batch(values_BTC[:, :-1].contiguous(), values_BTC[:, 1:].contiguous())
