"""Runs that another study has measured already are answered from what is stored; the others go to a worker.

The same protocol and architecture at the same rung is the same experiment with other seeds. So the result is that study's, says
so, and cost this one nothing.
"""

import logging
from collections.abc import Callable, Sequence

from nas.errors import StoreUnavailable
from nas.ports import Executor, Kept
from nas.run import Finished, Result, Run, RunKey

log = logging.getLogger(__name__)


class Reusing:
    """An executor around another one. `find` gives another study's result of the same run, with its origin, or None."""

    def __init__(self, executor: Executor, find: Callable[[Run], Result | None]) -> None:
        self._executor, self._find = executor, find
        self._answered: dict[RunKey, Finished] = {}

    def capacity(self) -> int:
        """That of the workers: an answer takes no place, but comes with the next `poll` only."""
        return self._executor.capacity()

    def submit(self, run: Run) -> None:
        """Answer the run if its study allows and another one has measured it; else start it."""
        found = self._found(run) if run.reuse else None
        if found is None:
            self._executor.submit(run)
        else:
            self._answered[run.key] = answer(run, found)

    def poll(self, timeout_seconds: float) -> Sequence[Finished]:
        """Answers do not wait for workers."""
        answered, self._answered = tuple(self._answered.values()), {}
        return (*answered, *self._executor.poll(0.0 if answered else timeout_seconds))

    def cancel(self, key: RunKey) -> None:
        """Forget its answer, or stop it."""
        if self._answered.pop(key, None) is None:
            self._executor.cancel(key)

    def forget(self, kept: Kept) -> None:
        """Free what a trial has on disk; the files of other studies are never its own."""
        self._executor.forget(kept)

    def close(self) -> None:
        """Stop everything."""
        self._answered.clear()
        self._executor.close()

    def _found(self, run: Run) -> Result | None:
        try:
            return self._find(run)
        except StoreUnavailable as error:
            # a worker can answer as well: nothing waits for the store
            log.warning("study %s: trial %d is trained, not looked up: %s", run.study_id, run.number, error)
            return None


def answer(run: Run, found: Result) -> Finished:
    """Another study's result as this run's: what it measured of the model stays, what it spent was not spent again."""
    assert found.origin is not None
    spent = {"optimiser_steps": 0, "tokens": 0, "wall_seconds": 0.0, "train_seconds": 0.0, "data_seconds": 0.0}
    note = f"measured by study {found.origin.study_id}, trial {found.origin.number}, with its seeds; nothing was trained here"
    result = found.model_copy(
        update={"measurement": found.measurement.model_copy(update=spent), "notes": (*found.notes, note)},
    )
    return Finished(study_id=run.study_id, number=run.number, rung=run.rung, attempt=run.attempt, result=result)
