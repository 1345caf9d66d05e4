"""A whole study in seconds: the real driver on a table, in simulated time, with everything in memory.

from nas.simulation.simulate import simulate

record = simulate(spec, table, n_workers=8, sampler=lambda seed: MySampler(seed))
print(regret(record, table)[-1])
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from optuna.samplers import BaseSampler

from nas import sampling
from nas.driver import Driver
from nas.errors import Invalid
from nas.proposals import Proposals
from nas.sampling import SamplerBuilder
from nas.simulation.answers import Answers
from nas.simulation.executor import SimulatedClock, SimulatedExecutor, Work
from nas.simulation.fit import misfit
from nas.simulation.store import Evaluation, MemoryStore, SimulatedTrial
from nas.simulation.table import Table
from nas.simulation.timed import AskTimes
from nas.study import FINAL_STUDY_STATES, StudySpec, StudyState
from search_spaces.architecture import Architecture

OwnSampler = Callable[[int], BaseSampler]
"""Makes a sampler from a seed. Each proposal is made by a new one: all it knows are the seed, the trials of the study,
and what those before it noted on trials and study. `after_trial` is never called: a trial is told again at every rung."""

MAX_PARAMS = 10**15
PATIENCE_SECONDS = 3600.0
LEASE_SECONDS = 3600.0
ENDED = (*FINAL_STUDY_STATES, StudyState.PAUSED)
"""A study that its driver pauses waits for a person, and there is none here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What came of a simulated study. trials: in order of number; evaluations: in order of simulated time.

    seconds: how long it took in simulated time. ask_seconds: what the sampler took for each proposal, in real time.
    """

    spec: StudySpec
    state: StudyState
    reason: str | None
    trials: tuple[SimulatedTrial, ...]
    evaluations: tuple[Evaluation, ...]
    seconds: float
    work: Work
    ask_seconds: tuple[float, ...]

    @property
    def idle(self) -> float:
        """The share of the time that the workers had nothing to do, all together."""
        return self.work.idle(self.seconds) if self.seconds else 0.0


def simulate(
    spec: StudySpec,
    table: Table,
    *,
    seed: int | None = None,
    n_workers: int = 1,
    sampler: OwnSampler | None = None,
    wall: Callable[[], float] | None = None,
) -> Record:
    """Run a study to its end. The same arguments give the same record, unless `wall` is given.

    seed: in place of the study's own. sampler: in place of the one that the study names. wall: a real clock; what the driver
    takes by it passes in simulated time too. Raises `Invalid` when the study asks for what the table does not have.
    """
    problem = misfit(spec, table)
    if problem is not None:
        raise Invalid(problem)
    spec = spec if seed is None else spec.model_copy(update={"seed": seed})
    clock = SimulatedClock(wall) if wall else SimulatedClock()
    answers, times, store = Answers(table, spec), AskTimes(), MemoryStore(spec, clock)
    executor = SimulatedExecutor(answers, clock, n_workers)
    driver = Driver(
        store=store,
        executor=executor,
        clock=clock,
        driver_id="simulation",
        lease_seconds=LEASE_SECONDS,
        max_params=MAX_PARAMS,
        make_proposals=partial(Proposals, build_sampler=_builder(sampler, times), objection=partial(_missing, answers)),
    )
    busy = True
    while store.state not in ENDED:
        busy = driver.step(0.0 if busy else PATIENCE_SECONDS)
    return Record(
        spec=spec,
        state=store.state,
        reason=store.reason,
        trials=tuple(store.trials[number] for number in sorted(store.trials)),
        evaluations=tuple(store.evaluations),
        seconds=clock.monotonic(),
        work=executor.work(),
        ask_seconds=tuple(times.seconds),
    )


def _builder(own: OwnSampler | None, times: AskTimes) -> SamplerBuilder:
    """A new sampler for each ask, timed."""
    if own is None:
        return lambda sampler, seed, memory: times.build(partial(sampling.build, sampler, seed, memory))
    return lambda _sampler, seed, _memory: times.build(partial(own, seed))


def _missing(answers: Answers, architecture: Architecture) -> str | None:
    return answers.missing(architecture.digest)
