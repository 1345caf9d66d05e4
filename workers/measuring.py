"""A trained learner's metrics on the fixed sequences of its task."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from nas.tasks import AnyTask
from workers import inference, scoring, tasks
from workers.batch import Batch
from workers.learner import Learner
from workers.loops import can_loop, looping
from workers.scoring import Measured
from workers.tasks import Evaluation, Generator


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
    beyond = dict(_beyond(learner, subject, chunk))
    at_loops = [dict(_at_loops(learner, subject, one, loops, chunk)) for one in (subject.test, subject.validation)]
    return Measured(
        value(generator, validation),
        value(generator, test),
        sample_error(subject.task, generator, test),
        further={**generator.further_metrics(test), **beyond, **at_loops[0]},
        further_validation={**generator.further_metrics(validation), **at_loops[1]},
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


def _beyond(learner: Learner, subject: Subject, chunk: int) -> Iterator[tuple[str, float]]:
    """The metric on the task's further test sets; a set on which the model is not finite is left out."""
    for name, batch in subject.generator.beyond().items():
        evaluation = inference.evaluate(learner, subject.generator, batch, chunk)
        if evaluation is not None:
            yield f"{subject.task.metric}@{name}", value(subject.generator, evaluation)


def _at_loops(
    learner: Learner, subject: Subject, batch: Batch, loops: Sequence[int], chunk: int
) -> Iterator[tuple[str, float]]:
    """The metric with other numbers of loops: its own value for a model that cannot loop so, chance where it is not finite."""
    for n_loops in loops:
        with looping(learner.model, n_loops) if can_loop(learner.model) else nullcontext():
            evaluation = inference.evaluate(learner, subject.generator, batch, chunk)
        found = subject.task.chance() if evaluation is None else value(subject.generator, evaluation)
        yield f"{subject.task.metric}@loops={n_loops}", found
