"""Runs in this process, one after the other: for tests, and to measure everything that is not training."""

from collections.abc import Callable, Sequence

from nas.ports import Kept
from nas.run import Failure, Finished, Run, RunKey


class InlineExecutor:
    """Implements `nas.ports.Executor`: up to `n_slots` runs wait for `poll`, which evaluates all of them."""

    def __init__(self, evaluate: Callable[[Run], Finished], n_slots: int = 1) -> None:
        self._evaluate = evaluate
        self._n_slots = n_slots
        self._waiting: dict[RunKey, Run] = {}

    def capacity(self) -> int:
        """Always `n_slots`."""
        return self._n_slots

    def submit(self, run: Run) -> None:
        """Keep the run for the next `poll`. Raises RuntimeError when there is no free slot."""
        if len(self._waiting) >= self._n_slots:
            raise RuntimeError("no free slot; keep runs in flight at or below capacity()")
        self._waiting[run.key] = run

    def poll(self, timeout_seconds: float) -> Sequence[Finished]:
        """Evaluate what waits, in the order it came."""
        runs, self._waiting = list(self._waiting.values()), {}
        return [self._finish(run) for run in runs]

    def cancel(self, key: RunKey) -> None:
        """Forget the run."""
        self._waiting.pop(key, None)

    def forget(self, kept: Kept) -> None:
        """Nothing of it is on disk."""

    def close(self) -> None:
        """Forget all runs."""
        self._waiting.clear()

    def _finish(self, run: Run) -> Finished:
        try:
            return self._evaluate(run)
        except Exception as error:
            failure = Failure(kind="crash", message=f"{type(error).__name__}: {error}"[:4000])
            return Finished(study_id=run.study_id, number=run.number, rung=run.rung, attempt=run.attempt, failure=failure)
