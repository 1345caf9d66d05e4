"""Workers that only take simulated time, and the clock that this time is on."""

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count

import numpy as np
from numpy.typing import NDArray

from nas.ports import Kept
from nas.run import Finished, Run, RunKey
from nas.simulation.answers import Answers


class SimulatedClock:
    """Implements `nas.ports.Clock`: time stands still unless somebody waits.

    wall: a real clock in seconds, whose time passes here too. With it the workers of a simulation wait for the driver as real
    ones do; without, decisions take no time and a simulation repeats exactly.
    """

    def __init__(self, wall: Callable[[], float] = lambda: 0.0) -> None:
        self._wall = wall
        self._began, self._skipped = wall(), 0.0

    def monotonic(self) -> float:
        """Simulated seconds since it was made."""
        return self._skipped + self._wall() - self._began

    def sleep(self, seconds: float) -> None:
        """So much later at once."""
        self._skipped += seconds


@dataclass(frozen=True, slots=True)
class Work:
    """The runs of so many workers, in the order in which they started: when, how long they took, and at which rung."""

    n_workers: int
    starts: NDArray[np.float64]
    durations: NDArray[np.float64]
    rungs: NDArray[np.int8]

    @property
    def last_new(self) -> float:
        """When the last new trial started: from then on there is not work for everybody."""
        return float(self.starts[self.rungs == self.rungs.min()].max())

    def idle(self, until: float) -> float:
        """The share of all workers' time up to some moment in which they had no run."""
        busy = np.clip(until - self.starts, 0.0, self.durations).sum()
        # busy adds up with rounding, and nobody is idle less than not at all
        return max(0.0, float(1 - busy / (self.n_workers * until)))


class SimulatedExecutor:
    """Implements `nas.ports.Executor`: every run ends when the table says, with what the table says."""

    def __init__(self, answers: Answers, clock: SimulatedClock, n_workers: int) -> None:
        self._answers, self._clock, self._n_workers = answers, clock, n_workers
        self._running: set[RunKey] = set()
        self._ends: list[tuple[float, int, Finished]] = []
        self._order = count()
        self._starts, self._durations, self._rungs = array("d"), array("d"), array("b")

    def capacity(self) -> int:
        """Always the number of workers."""
        return self._n_workers

    def submit(self, run: Run) -> None:
        """Start a run now. Raises RuntimeError when every worker is busy."""
        if len(self._running) >= self._n_workers:
            raise RuntimeError("every worker is busy; keep runs in flight at or below capacity()")
        answer, key = self._answers.answer(run), run.key
        finished = Finished(study_id=key.study_id, number=key.number, rung=key.rung, attempt=key.attempt, result=answer.result)
        self._running.add(key)
        now = self._clock.monotonic()
        self._starts.append(now)
        self._durations.append(answer.seconds)
        self._rungs.append(run.rung)
        # the order of submission decides between runs that end together: results cannot be compared
        heappush(self._ends, (now + answer.seconds, next(self._order), finished))

    def poll(self, timeout_seconds: float) -> Sequence[Finished]:
        """Runs that have ended by now; where none has, time moves on to the first that does, or by the timeout."""
        now = self._clock.monotonic()
        until = min([now + timeout_seconds, *(ends for ends, _, _ in self._ends[:1])])
        self._clock.sleep(max(0.0, until - now))
        # the last digit of the sum may say that who was waited for has not quite ended
        now = max(until, self._clock.monotonic())
        ended = []
        while self._ends and self._ends[0][0] <= now:
            finished = heappop(self._ends)[2]
            # a cancelled run has left before its end
            if finished.key in self._running:
                self._running.remove(finished.key)
                ended.append(finished)
        return ended

    def cancel(self, key: RunKey) -> None:
        """Its worker is free at once."""
        self._running.discard(key)

    def work(self) -> Work:
        """What the workers have done so far."""
        return Work(self._n_workers, np.array(self._starts), np.array(self._durations), np.array(self._rungs))

    def forget(self, kept: Kept) -> None:
        """Nothing of it is on disk."""

    def close(self) -> None:
        """Stop everything."""
        self._running.clear()
        self._ends.clear()
