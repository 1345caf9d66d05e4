"""A trained learner's metrics on the fixed sequences of its task."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Self

from nas.tasks.catalogue import AnyTask
from nas.tasks.task import length_of
from workers import inference, scoring, tasks
from workers.batch import Batch
from workers.learner import Learner
from workers.loops import can_loop, looping
from workers.scoring import Measured
from workers.tasks import Evaluation, Generator
from workers.tasks.generator import Split


@dataclass(frozen=True, slots=True)
class Subject:
    """A task of a run with its data; `key` is its name within the protocol."""

    key: str
    task: AnyTask
    generator: Generator
    validation: Batch
    test: Batch

    @classmethod
    def of(cls, key: str, task: AnyTask, seed: int, data_root: Path | None, packs: Path | None = None) -> Self:
        """The task's data from a seed. Raises `Invalid` when they cannot be had."""
        generator = tasks.build(task, seed, data_root, packs)
        return cls(key, task, generator, generator.validation(), generator.test())


def measure(learner: Learner, subject: Subject, chunk: int, loops: Sequence[int] = ()) -> Measured | None:
    """Everything the task reports, `chunk` sequences at a time; None when a prediction is not finite.

    loops: also with so many loops of the core in evaluation.
    """
    generator = subject.generator
    validation = inference.evaluate(learner, generator, subject.validation, chunk)
    test = inference.evaluate(learner, generator, subject.test, chunk)
    if validation is None or test is None:
        return None
    return Measured(
        value(generator, validation),
        value(generator, test),
        sample_error(subject.task, generator, test),
        further={
            **generator.further_metrics(test),
            **_beyond(learner, subject, "test", value(generator, test), chunk),
            **dict(_at_loops(learner, subject, subject.test, loops, chunk)),
        },
        further_validation={
            **generator.further_metrics(validation),
            **_beyond(learner, subject, "validation", value(generator, validation), chunk),
            **dict(_at_loops(learner, subject, subject.validation, loops, chunk)),
        },
    )


def value(generator: Generator, evaluation: Evaluation) -> float:
    """The task's metric on the set."""
    return scoring.weighted_mean(evaluation.values_B.tolist(), _weights(generator, evaluation))


def sample_error(task: AnyTask, generator: Generator, evaluation: Evaluation) -> float:
    """The standard error of the task's metric on the set."""
    return scoring.sample_error(task, evaluation.values_B.tolist(), _weights(generator, evaluation))


def _weights(generator: Generator, evaluation: Evaluation) -> list[float]:
    weights: list[float] = generator.sequence_weights(evaluation.targets).tolist()
    return weights


def _beyond(learner: Learner, subject: Subject, split: Split, own: float, chunk: int) -> dict[str, float]:
    """The metric on each of the task's further sets, without those where a prediction is not finite; and what longer ones lose
    to the split's `own` value."""
    evaluations = {
        name: inference.evaluate(learner, subject.generator, batch, chunk)
        for name, batch in subject.generator.beyond(split).items()
    }
    beyond = {name: None if one is None else value(subject.generator, one) for name, one in evaluations.items()}
    gap = extrapolation_gap(subject.task, own, beyond)
    named = {f"{subject.task.metric}@{name}": found for name, found in beyond.items() if found is not None}
    return named if gap is None else {**named, "extrapolation_gap": gap}


def extrapolation_gap(task: AnyTask, own: float, beyond: Mapping[str, float | None]) -> float | None:
    """The score at the task's own length minus that on the longest of its sets named `length=...`.

    Several of one length count by their mean, a set without finite predictions as 0. None where no set is longer than the task.
    """
    scores: dict[int, list[float]] = {}
    for name, found in beyond.items():
        length = length_of(name) or 0
        if length > task.sequence_length:
            scores.setdefault(length, []).append(0.0 if found is None else task.score(found))
    return task.score(own) - fmean(scores[max(scores)]) if scores else None


def _at_loops(
    learner: Learner, subject: Subject, batch: Batch, loops: Sequence[int], chunk: int
) -> Iterator[tuple[str, float]]:
    """The metric with other numbers of loops: its own value for a model that cannot loop so, chance where it is not finite."""
    for n_loops in loops:
        with looping(learner.model, n_loops) if can_loop(learner.model) else nullcontext():
            evaluation = inference.evaluate(learner, subject.generator, batch, chunk)
        found = subject.task.chance() if evaluation is None else value(subject.generator, evaluation)
        yield f"{subject.task.metric}@loops={n_loops}", found
