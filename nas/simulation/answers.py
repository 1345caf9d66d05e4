"""What a run would have come to, from a table: a result like a worker's, and the seconds that it takes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Final, Literal

from nas.run import LedgerEntry, Measurement, Result, Run, TaskResult
from nas.seeds import derive
from nas.simulation.table import Array, Member, Table
from nas.statistics.intervals import mean_interval
from nas.study import StudySpec
from nas.tasks.task import Task

SIMULATED: Final = "simulated"
"""The device and the host of every result."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A run's result, and how long a worker has it."""

    result: Result
    seconds: float


@dataclass(frozen=True, slots=True)
class _Seen:
    """Metrics at one rung, a value for each of the seeds that a run has: on test data, and as the search sees them."""

    test: Mapping[str, list[float]]
    searched: Mapping[str, list[float]]

    @classmethod
    def of(cls, member: Member, rung: int, seeds: Sequence[int]) -> "_Seen":
        return cls(_chosen(member.test, rung, seeds), _chosen(member.searched, rung, seeds))

    def own(self, key: str, task: Task) -> str:
        """The metric that stands for a task: its own, or the whole score in a table that has nothing of each task."""
        return name if (name := f"{key}/{task.metric}") in self.test else "score"

    def mean(self, name: str) -> float | None:
        """On test data; None where the table has no such metric."""
        return fmean(self.test[name]) if name in self.test else None


class Answers:
    """Answers the runs of one study.

    A trial sees the seeds of the table one after another, from one that follows from the study's seed and its number: a
    replica each, and then one for each run that confirms it. After the last comes the first again.
    """

    def __init__(self, table: Table, spec: StudySpec) -> None:
        self._table, self._protocol = table.with_rungs(spec.protocol), spec.protocol
        self._tasks = dict(zip(spec.protocol.task_keys(), spec.protocol.tasks, strict=True))
        self._of_task = {
            key: {name.removeprefix(f"{key}/"): name for name in table.metrics if name.startswith(f"{key}/")}
            for key in self._tasks
        }

    def missing(self, digest: str) -> str | None:
        """Why an architecture cannot be simulated; None when it can."""
        if self._table.find(digest) is not None:
            return None
        return f"the table has no results of architecture {digest[:12]}"

    def answer(self, run: Run) -> Answer:
        """The same for the same run, always. Raises KeyError for an architecture that the table lacks."""
        member = self._table.find(run.architecture.digest)
        if member is None:
            raise KeyError(self.missing(run.architecture.digest))
        seeds = self._seeds(run)
        seen = _Seen.of(member, min(run.rung, self._protocol.last_rung), seeds)
        seconds = self._seconds(run, member, seeds)
        return Answer(self._result(run, seen, seconds), seconds)

    def _seeds(self, run: Run) -> list[int]:
        rungs, first = self._protocol.rungs, derive(run.data_seed, run.number)
        fresh = run.rung - len(rungs)
        wanted = range(rungs[run.rung].replicas) if fresh < 0 else [rungs[-1].replicas + fresh]
        return [(first + index) % self._table.n_seeds for index in wanted]

    def _seconds(self, run: Run, member: Member, seeds: Sequence[int]) -> float:
        """A replica that goes on takes this rung's time, one that starts that of the rungs below too."""
        if run.rung > self._protocol.last_rung:
            return float(member.seconds[:, seeds].sum()) / len(self._protocol.learning_rates)
        n_going_on = self._protocol.rungs[run.rung - 1].replicas if run.resume is not None else 0
        going_on, starting = seeds[:n_going_on], seeds[n_going_on:]
        return float(member.seconds[run.rung, going_on].sum() + member.seconds[: run.rung + 1, starting].sum())

    def _steps(self, run: Run) -> int:
        """Those that a worker would train."""
        protocol = self._protocol
        if run.rung > protocol.last_rung:
            return len(protocol.tasks) * protocol.rungs[-1].steps
        if run.resume is not None:
            return protocol.optimiser_steps(run.rung)
        return sum(protocol.optimiser_steps(rung) for rung in range(run.rung + 1))

    def _result(self, run: Run, seen: _Seen, seconds: float) -> Result:
        scores = seen.test["score"]
        low, high, interval = _interval(scores)
        rates = {key: self._rate(run, key) for key in self._tasks}
        return Result(
            score=fmean(scores),
            score_low=low,
            score_high=high,
            interval=interval,
            validation_score=fmean(seen.searched["score"]),
            tasks=tuple(self._task(key, task, rates[key], seen) for key, task in self._tasks.items()),
            ledger=tuple(entry for key, task in self._tasks.items() for entry in _ledger(key, task, rates[key], seen)),
            measurement=self._measurement(run, seen, seconds),
            folder=run.folder,
        )

    def _rate(self, run: Run, key: str) -> float:
        """In the middle of the grid: the table does not say which was chosen."""
        rates = self._protocol.learning_rates
        return run.rates.get(key, rates[len(rates) // 2])

    def _task(self, key: str, task: Task, rate: float, seen: _Seen) -> TaskResult:
        own = seen.own(key, task)
        values, names = seen.test[own], self._of_task[key]
        return TaskResult(
            task=key,
            metric=task.metric,
            learning_rate=rate,
            edge_of_grid=False,
            values=tuple(values),
            standard_error=stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0,
            score=fmean(values if own == "score" else map(task.score, values)),
            data_digest="",
            metrics={short: fmean(seen.test[name]) for short, name in names.items()},
            validation={short: fmean(seen.searched[name]) for short, name in names.items()},
            sensitivity=seen.mean("learning_rate_sensitivity"),
        )

    def _measurement(self, run: Run, seen: _Seen, seconds: float) -> Measurement:
        """Nothing was measured but what the table has."""
        return Measurement(
            n_params=0,
            optimiser_steps=self._steps(run),
            tokens=0,
            wall_seconds=seconds,
            train_seconds=seconds,
            train_tokens_per_second=seen.mean("train_tokens_per_second") or 0.0,
            peak_memory_bytes=round(seen.mean("peak_memory_bytes") or 0.0),
            joules_per_token=seen.mean("joules_per_token"),
            prefill_seconds=seen.mean("prefill_seconds"),
            decode_seconds_per_token=seen.mean("decode_seconds_per_token"),
            device=SIMULATED,
            host=SIMULATED,
            versions={},
        )


def _ledger(key: str, task: Task, rate: float, seen: _Seen) -> list[LedgerEntry]:
    """One training for each replica, at the learning rate that was chosen: of the others the table says nothing."""
    own = seen.own(key, task)
    pairs = enumerate(zip(seen.searched[own], seen.test[own], strict=True))
    return [
        LedgerEntry(task=key, learning_rate=rate, replica=replica, validation=validation, test=test)
        for replica, (validation, test) in pairs
    ]


def _chosen(metrics: Mapping[str, Array], rung: int, seeds: Sequence[int]) -> dict[str, list[float]]:
    return {name: values[rung, seeds].tolist() for name, values in metrics.items()}


def _interval(scores: Sequence[float]) -> tuple[float, float, Literal["replicas", "test_sample"]]:
    """Over seeds. The table knows nothing of the test sample, so the interval of one seed has no width."""
    if len(scores) == 1:
        return scores[0], scores[0], "test_sample"
    found = mean_interval(scores)
    return found.low, found.high, "replicas"
