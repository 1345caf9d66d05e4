"""How many proposals wait for a worker to become free."""

from collections import Counter
from collections.abc import Sequence

import pytest

from nas.run import Finished
from nas.simulation.executor import SimulatedClock
from nas.simulation.store import MemoryStore
from nas.study import Budget
from tests.inline_executor import InlineExecutor
from tests.nas import pretend
from tests.nas.driving import driver
from tests.nas.spaces import study


class Busy(InlineExecutor):
    """Its runs never end."""

    def poll(self, timeout_seconds: float) -> Sequence[Finished]:
        """None has ended."""
        return ()


@pytest.mark.parametrize(
    ("n_workers", "max_parallel", "running", "queued"),
    [(1, None, 1, 2), (128, None, 128, 4), (128, 20, 20, 2), (128, 96, 96, 3)],
)
def test_a_driver_asks_ahead_for_as_many_places_as_a_study_has(n_workers, max_parallel, running, queued) -> None:
    clock = SimulatedClock()
    store = MemoryStore(study(budget=Budget(trials=1000, max_parallel=max_parallel)), clock)
    driving = driver(store, executor=Busy(pretend.succeed, n_workers), clock=clock)
    while driving.step():
        pass
    states = Counter(trial.state.value for trial in store.trials.values())
    assert (states["running"], states["queued"]) == (running, queued)
