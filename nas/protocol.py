"""A protocol: tasks, rungs, learning-rate grid, seeds and recipe. It is how an architecture becomes a number."""

from collections import Counter
from itertools import pairwise
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from nas.tasks import MQAR
from nas.tasks.catalogue import AnyTask
from search_spaces.document import Document
from search_spaces.loop import MAX_LOOPS

LearningRate = Annotated[float, Field(gt=0, le=1)]


class Rung(Document):
    """A training budget: `steps` optimiser steps in all (not more than the last rung), `replicas` seeds, of which lower rungs
    have trained the first ones already."""

    steps: Annotated[int, Field(ge=1, le=10_000_000)]
    replicas: Annotated[int, Field(ge=1, le=32)] = 1


class WidthTransfer(Document):
    """Width-transfer rules (muP, arXiv 2203.03466): starts and learning rates follow each matrix's input size, so that one
    learning rate fits every width. At these sizes everything is as without.
    """

    base_width: Annotated[int, Field(ge=4, le=65_536)]
    """The input size of a matrix that keeps the plain start and learning rate."""
    base_head_dim: Annotated[int, Field(ge=1, le=512)] = 16
    """The head size whose attention logits stay as they are; those of others have 1 / head_dim, not 1 / sqrt(head_dim)."""


class Explosion(Document):
    """When a training is stopped as diverged though its loss is finite: so that no steps go into what cannot win any more.

    `points` points of the loss curve in a row (about a fortieth of the schedule each), none of them in the warm-up, must lie
    above `factor` times the loss at the start or that of guessing, whichever is higher, and the last must not be below the
    first. A spike is over sooner, and a training that comes back falls: both go on. One that stays so far above knowing nothing
    for a tenth of its schedule spends the rest, while its learning rate falls, on getting back to knowing nothing.
    """

    factor: Annotated[float, Field(ge=2, le=1000)] = 5.0
    points: Annotated[int, Field(ge=2, le=40)] = 4


class Recipe(Document):
    """The fixed training recipe: AdamW, linear warm-up, cosine over the LAST rung's steps, gradient clipping.

    A lower rung is a prefix of that one schedule, so that a run which resumes equals one that never stopped.
    """

    batch_size: Annotated[int, Field(ge=1, le=65_536)] = 32
    weight_decay: Annotated[float, Field(ge=0, le=10)] = 0.1
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.98
    warmup_fraction: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    final_fraction: Annotated[float, Field(ge=0, le=1)] = 0.1
    clip_norm: Annotated[float, Field(gt=0, le=1000)] = 1.0
    width_transfer: WidthTransfer | None = None
    explosion: Explosion | None = None
    """None: only a loss that is not finite stops a training."""

    def warmup_steps(self, total_steps: int) -> int:
        """How many steps of a schedule the learning rate rises for."""
        return round(self.warmup_fraction * total_steps)


class Latency(Document):
    """How a run times its model, the first task's: a prompt, then one token after another, on the machine it was trained on.

    Medians over `repeats`, after a warm-up; a CPU uses one thread. What an encoder cannot do, decoding, is left out.
    """

    prompt_length: Annotated[int, Field(ge=1, le=131_072)] = 512
    decode_tokens: Annotated[int, Field(ge=1, le=4096)] = 32
    batch_size: Annotated[int, Field(ge=1, le=1024)] = 1
    repeats: Annotated[int, Field(ge=1, le=100)] = 5


class Protocol(Document):
    """Every architecture of a study is judged by the same protocol.

    Each task is trained from scratch for every learning rate and replica; the learning rate is chosen per task on validation
    data, the value reported is on test data. The trial's score is the mean of the tasks' scores. What is promoted and proposed
    next follows the same mean on validation data.
    """

    tasks: Annotated[tuple[AnyTask, ...], Field(min_length=1, max_length=100)] = (MQAR(),)
    rungs: Annotated[tuple[Rung, ...], Field(min_length=1, max_length=8)] = (Rung(steps=300), Rung(steps=1200))
    learning_rates: Annotated[tuple[LearningRate, ...], Field(min_length=1, max_length=9)] = (1e-3, 3e-3, 1e-2)
    recipe: Recipe = Recipe()
    eval_loops: Annotated[tuple[Annotated[int, Field(ge=1, le=MAX_LOOPS)], ...], Field(max_length=16)] = ()
    """Numbers of loops at which looped models are also tested, each a metric `accuracy@loops=R`. Other models run as ever."""
    latency: Latency | None = None

    @model_validator(mode="after")
    def _one_input(self) -> Self:
        """A model reads tokens or measurements, and measurements of one width."""
        channels = {task.channels for task in self.tasks}
        if len(channels) > 1:
            kinds = ", ".join(f"{task.name} ({task.channels or 'no'} channels)" for task in self.tasks)
            raise ValueError(f"one model cannot read all of {kinds}; make a study for each kind of input")
        return self

    @model_validator(mode="after")
    def _long_enough(self) -> Self:
        steps = self.rungs[0].steps
        for task in self.tasks:
            if steps < task.least_steps:
                raise ValueError(
                    f"{task.name} needs at least {task.least_steps} steps, and the first rung has {steps};"
                    " give every rung more steps, or the task fewer before it switches"
                )
        return self

    @model_validator(mode="after")
    def _grows(self) -> Self:
        for lower, upper in pairwise(self.rungs):
            if upper.steps <= lower.steps or upper.replicas < lower.replicas:
                raise ValueError(
                    f"rungs must grow: {upper.steps} steps x {upper.replicas} replicas after"
                    f" {lower.steps} x {lower.replicas}; give more steps and at least as many replicas"
                )
        if any(upper <= lower for lower, upper in pairwise(self.learning_rates)):
            raise ValueError("learning_rates must rise without repeats, such as [0.001, 0.003, 0.01]")
        if any(upper <= lower for lower, upper in pairwise(self.eval_loops)):
            raise ValueError("eval_loops must rise without repeats, such as [1, 2, 4, 8]")
        return self

    @property
    def last_rung(self) -> int:
        """The index of the last rung."""
        return len(self.rungs) - 1

    @property
    def tokens(self) -> int:
        """Different tokens that an architecture must know to run every task; 0 where the tasks are of measurements."""
        return max(task.tokens for task in self.tasks)

    @property
    def channels(self) -> int:
        """Numbers at each time that an architecture must read to run every task; 0 where the tasks are of tokens."""
        return max(task.channels for task in self.tasks)

    def task_keys(self) -> tuple[str, ...]:
        """A name for each task, unique within the protocol: `mqar`, then `mqar-2` for a second one."""
        names = [task.name for task in self.tasks]
        seen = [names[: index + 1].count(name) for index, name in enumerate(names)]
        return tuple(name if count == 1 else f"{name}-{count}" for name, count in zip(names, seen, strict=True))

    def by_key(self) -> dict[str, AnyTask]:
        """The tasks by those names."""
        return dict(zip(self.task_keys(), self.tasks, strict=True))

    def task_labels(self) -> tuple[str, ...]:
        """What reports call each task: its title, and where others have the same, the settings in which they differ."""
        settings = [task.to_data() for task in self.tasks]
        return tuple(
            _label(task.title, own, [other for other in settings if other["name"] == task.name])
            for task, own in zip(self.tasks, settings, strict=True)
        )

    def optimiser_steps(self, rung: int) -> int:
        """Steps that one run at `rung` adds to what its trial has already done."""
        per_replica = len(self.tasks) * len(self.learning_rates)
        now = self.rungs[rung]
        before = self.rungs[rung - 1] if rung else None
        done = before.steps * before.replicas if before else 0
        return per_replica * (now.steps * now.replicas - done)


def _label(title: str, own: dict[str, Any], alike: list[dict[str, Any]]) -> str:
    """Of a sweep each member is told by what it does not share with most: the baseline by nothing."""
    usual = {name: Counter(str(other[name]) for other in alike).most_common(1)[0][0] for name in own}
    unusual = [f"{name} {value}" for name, value in own.items() if str(value) != usual[name]]
    return f"{title} ({', '.join(unusual)})" if unusual else title
