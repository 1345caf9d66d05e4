"""The ledger of a scored run, as a person reads it: what each learning rate gave, and which one was chosen."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from nas.run import LedgerEntry, Result, TaskResult


@dataclass(frozen=True, slots=True)
class RateRow:
    """One learning rate of one task. validation, test: means over the replicas that did not diverge, None without any."""

    learning_rate: float
    n_runs: int
    n_diverged: int
    validation: float | None
    test: float | None
    chosen: bool
    edge_of_grid: bool
    """Chosen, and the smallest or the largest of the grid: a wider grid may do better."""


def rate_rows(result: Result) -> dict[str, tuple[RateRow, ...]]:
    """For each task that has a ledger, its learning rates from the smallest on."""
    return {task.task: rows for task in result.tasks if (rows := tuple(_rows(task, result.ledger)))}


def _rows(task: TaskResult, ledger: Sequence[LedgerEntry]) -> Iterator[RateRow]:
    entries = [entry for entry in ledger if entry.task == task.task]
    for rate in sorted({entry.learning_rate for entry in entries}):
        runs = [entry for entry in entries if entry.learning_rate == rate]
        chosen = rate == task.learning_rate
        yield RateRow(
            learning_rate=rate,
            n_runs=len(runs),
            n_diverged=sum(entry.diverged for entry in runs),
            validation=_mean([entry.validation for entry in runs]),
            test=_mean([entry.test for entry in runs]),
            chosen=chosen,
            edge_of_grid=chosen and task.edge_of_grid,
        )


def _mean(values: Sequence[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return fmean(there) if there else None
