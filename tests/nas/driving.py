"""What tests of the driver share: a driver on the real store, faults on the way to it, and what must hold at the end."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine, text

from nas.brackets import first_rung
from nas.driver import Driver
from nas.keys import Principal
from nas.ports import Batch, Claim, DriverStore, Executor, History
from nas.run import Finished, Run
from nas.store.driver_store import PostgresDriverStore
from nas.store.reads import events_after, get_study
from nas.store.submissions import submit_study
from nas.study import StudySpec, Wish
from tests.inline_executor import InlineExecutor
from tests.nas import pretend

ME = Principal("key", "me", frozenset({"admin"}))
FINAL = ("completed", "pruned", "infeasible", "duplicate", "failed", "cancelled")


class Killed(BaseException):
    """The driver's process ends here."""


def go_on(call: str) -> None:
    """No fault."""


@dataclass
class FaultyStore:
    """The real store, with something that may go wrong before and after each call."""

    real: DriverStore
    before: Callable[[str], None] = go_on
    after: Callable[[str], None] = go_on
    batches: list[Batch] = field(default_factory=list, init=False)

    def claim(self, driver_id: str, lease_seconds: float) -> Claim | None:
        self.before("claim")
        claim = self.real.claim(driver_id, lease_seconds)
        self.after("claim")
        return claim

    def renew(self, claim: Claim, lease_seconds: float) -> Wish:
        self.before("renew")
        wish = self.real.renew(claim, lease_seconds)
        self.after("renew")
        return wish

    def release(self, claim: Claim) -> None:
        self.before("release")
        self.real.release(claim)

    def history(self, claim: Claim) -> History:
        self.before("history")
        return self.real.history(claim)

    def write(self, claim: Claim, batch: Batch) -> None:
        self.before("write")
        self.real.write(claim, batch)
        self.batches.append(batch)
        self.after("write")


@dataclass
class Hurried:
    """A clock on which every look takes a while, and a sleep no real time."""

    now: float = 0.0
    tick: float = 0.01

    def monotonic(self) -> float:
        self.now += self.tick
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def nth(n: int, name: str, error: BaseException) -> Callable[[str], None]:
    """A fault at the nth call of that name."""
    calls = Counter[str]()

    def fault(call: str) -> None:
        calls[call] += 1
        if call == name and calls[call] == n:
            raise error

    return fault


def submit(engine: Engine, spec: StudySpec) -> str:
    return submit_study(engine, ME, spec).study_id


def driver(
    store: DriverStore | Engine,
    evaluate: Callable[[Run], Finished] = pretend.succeed,
    *,
    n_slots: int = 3,
    lease_seconds: float = 5.0,
    clock: Any = time,
    max_params: int = 10**9,
    executor: Executor | None = None,
    max_studies: int = 32,
) -> Driver:
    return Driver(
        store=PostgresDriverStore(store) if isinstance(store, Engine) else store,
        executor=executor or InlineExecutor(evaluate, n_slots),
        clock=clock,
        driver_id="a driver",
        lease_seconds=lease_seconds,
        max_params=max_params,
        max_studies=max_studies,
    )


def drive_dying(engine: Engine, study_id: str) -> int:
    """See a study through with drivers that die right after their third batch; returns how many it took."""
    lives = 0
    while study_row(engine, study_id).state != "completed":
        lives += 1
        with suppress(Killed):
            drive(driver(FaultyStore(PostgresDriverStore(engine), after=nth(3, "write", Killed())), lease_seconds=0.02))
        time.sleep(0.03)
    return lives


def drive(
    engine_or_driver: Engine | Driver, evaluate: Callable[[Run], Finished] = pretend.succeed, *, n_slots: int = 3
) -> None:
    """Until no study is held any more."""
    driving = engine_or_driver
    if isinstance(driving, Engine):
        driving = driver(driving, evaluate, n_slots=n_slots)
    for _ in range(10_000):
        driving.step()
        if not driving.studies:
            return
    raise AssertionError("the study does not end")


def drive_together(drivers: Sequence[Driver], ended: Callable[[], bool]) -> None:
    """Each in a thread of its own, until all of it has ended. Raises what any of them raises."""
    done = threading.Event()
    with ThreadPoolExecutor(len(drivers)) as threads:
        running = [threads.submit(each.run, done.is_set) for each in drivers]
        while not (ended() or any(each.done() for each in running)):
            time.sleep(0.02)
        done.set()
        for each in running:
            each.result()


def rows(engine: Engine, query: str, **parameters: object) -> list[Any]:
    with engine.begin() as connection:
        return list(connection.execute(text(query), parameters))


def trials(engine: Engine, study_id: str) -> list[Any]:
    """Trials in order of number, with their columns as attributes."""
    return rows(engine, "SELECT * FROM nas_trial WHERE study_id = :id ORDER BY number", id=study_id)


def runs(engine: Engine, study_id: str) -> list[Any]:
    return rows(engine, "SELECT * FROM nas_run WHERE study_id = :id ORDER BY number, rung, attempt", id=study_id)


def study_row(engine: Engine, study_id: str):
    return get_study(engine, ME, study_id).row


def assert_sound(engine: Engine, study_id: str, spec: StudySpec) -> None:
    """What holds of every ended study, whatever happened to it on the way."""
    everybody, attempts = trials(engine, study_id), runs(engine, study_id)
    assert study_row(engine, study_id).state == "completed"
    assert [trial.number for trial in everybody] == list(range(len(everybody)))
    assert all(trial.state in FINAL for trial in everybody)
    trained = [trial for trial in everybody if trial.state not in ("infeasible", "duplicate") or trial.rung is not None]
    own = [trial for trial in trained if trial.reference is None]
    assert len(own) == spec.budget.trials
    assert [trial.reference for trial in everybody[: len(spec.references)]] == list(spec.references)
    assert not [run for run in attempts if run.state == "running"]
    successes = [(run.number, run.rung) for run in attempts if run.state == "succeeded"]
    assert len(set(successes)) == len(successes), "a rung counts once"
    for trial in everybody:
        reached = [rung for number, rung in successes if number == trial.number]
        first = first_rung(spec, trial.number)
        assert sorted(reached) == list(range(first, first + len(reached)))
        # fresh seeds have rungs of their own, and all of them are one rung of the trial's
        assert trial.rung == (min(max(reached), len(spec.protocol.rungs)) if reached else None)
        if spec.confirmation is None:
            assert max(reached, default=0) <= spec.protocol.last_rung
    assert any(trial.state == "completed" for trial in own)
    assert_events_tell_the_same(engine, study_id, everybody)


def assert_events_tell_the_same(engine: Engine, study_id: str, everybody: list[Any]) -> None:
    """A watcher that saw the events alone knows every trial's state and score."""
    events = events_after(engine, ME, study_id, 0, limit=100_000)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    states: dict[Any, Any] = {}
    scores: dict[Any, Any] = {}
    for event in events:
        if event.kind in ("trial.proposed", "trial.state"):
            states[event.data["number"]] = event.data["state"]
            scores[event.data["number"]] = event.data.get("score", scores.get(event.data["number"]))
    assert states == {trial.number: trial.state for trial in everybody}
    assert scores == {trial.number: trial.score for trial in everybody}
    ends = Counter(
        event.data["number"] for event in events if event.data.get("state") == "completed" and "number" in event.data
    )
    assert all(count == 1 for count in ends.values())
