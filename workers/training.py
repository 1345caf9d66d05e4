"""One training: a model, AdamW and a task's batches, step after step along one schedule.

The schedule spans the LAST rung, so a lower rung is a prefix of it, and a training that is saved and restored goes on bit for
bit. A step has static shapes and never waits for the device; the loss is read every `CHECK_STEPS` steps and at the points of
the curve only.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch

from nas.protocol import Recipe
from nas.run import CurvePoint
from workers.batch import Batch
from workers.explosion import exploded
from workers.failures import DeadlineExceeded
from workers.learner import Learner
from workers.optimiser import Optimiser

CHECK_STEPS = 50
"""Steps between two looks at the loss: a training that has diverged goes on for at most so long."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment of `time.monotonic()`."""

    at: float

    def check(self) -> None:
        """Raises `DeadlineExceeded` once the moment has passed."""
        if time.monotonic() > self.at:
            raise DeadlineExceeded("the run took longer than its max_seconds")


def learning_rate_at(step: int, peak: float, total_steps: int, recipe: Recipe) -> float:
    """The rate of 0-based `step`: linear warm-up to `peak`, then a cosine down to `final_fraction` of it."""
    warmup_steps = recipe.warmup_steps(total_steps)
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    cosine = (1 + math.cos(math.pi * progress)) / 2
    return peak * (recipe.final_fraction + (1 - recipe.final_fraction) * cosine)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the training is: fixed before the first step. `curve_steps` are the steps after which the curve has a point.

    chance: the loss of guessing (nats per target); 0 where nobody knows it.
    """

    learning_rate: float
    total_steps: int
    curve_steps: frozenset[int]
    recipe: Recipe
    chance: float = 0.0


@dataclass(slots=True)
class Progress:
    """How far the training is."""

    step: int = 0
    diverged: bool = False
    curve: list[CurvePoint] = field(default_factory=list)


class Training:
    """A learner on its way. `advance` trains it; `optimiser_tensors` and `restore` carry it from one rung to the next."""

    def __init__(self, learner: Learner, plan: Plan) -> None:
        self.learner = learner
        self.progress = Progress()
        self._plan = plan
        self._device = next(learner.parameters()).device
        self._optimiser = Optimiser(learner, plan.recipe)
        self._loss_sum = torch.zeros((), device=self._device)

    @property
    def exploded(self) -> bool:
        """Whether its curve ends as the recipe says of one that has exploded."""
        plan, rule = self._plan, self._plan.recipe.explosion
        if rule is None:
            return False
        warmup_steps = plan.recipe.warmup_steps(plan.total_steps)
        return exploded(self.progress.curve, rule, warmup_steps=warmup_steps, chance=plan.chance)

    def advance(self, to_step: int, batch_of: Callable[[int], Batch], deadline: Deadline) -> None:
        """Train up to `to_step`, with `batch_of(step)` as data; stops early once the loss is not finite, or has exploded.

        Raises `DeadlineExceeded`.
        """
        self.learner.train()
        while self.progress.step < to_step and not self.progress.diverged:
            deadline.check()
            self._step(batch_of(self.progress.step))
            self.progress.step += 1
            self._look()

    def optimiser_tensors(self) -> dict[str, torch.Tensor]:
        """The optimiser's state, as `<parameter>/<quantity>`."""
        return self._optimiser.tensors()

    def restore(self, learner: Mapping[str, torch.Tensor], optimiser: Mapping[str, torch.Tensor], progress: Progress) -> None:
        """Go on where a saved training stopped. Raises `KeyError` or `RuntimeError` when it was another model's."""
        self.learner.load_state_dict(dict(learner))
        self._optimiser.restore(optimiser)
        self.progress = progress

    def _step(self, batch: Batch) -> None:
        plan = self._plan
        self.learner.before_step(self.progress.step)
        loss, auxiliary_loss = self.learner.losses(batch.to(self._device))
        torch.autograd.backward(loss + auxiliary_loss)
        self._optimiser.step(learning_rate_at(self.progress.step, plan.learning_rate, plan.total_steps, plan.recipe))
        self.learner.model.update_routing_biases()
        self._loss_sum += loss.detach()

    def _look(self) -> None:
        """Every so often: has the loss stayed finite, and is it time for a point of the curve?"""
        step = self.progress.step
        is_point = step in self._plan.curve_steps
        if not is_point and step % CHECK_STEPS:
            return
        loss_sum = self._loss_sum.item()
        if not math.isfinite(loss_sum):
            self.progress.diverged = True
        elif is_point:
            before = self.progress.curve[-1].step if self.progress.curve else 0
            self.progress.curve.append(CurvePoint(step=step, loss=loss_sum / (step - before)))
            self._loss_sum.zero_()
            self.progress.diverged = self.exploded
