"""The driver: claims studies and sees them through. It knows the ports and the campaigns, nothing else.

One loop, one thread. A batch is written before the runs in it are submitted, so a driver that dies leaves nothing behind that
the rows do not know. A batch that the store cannot take now is kept and written again, and results are taken in meanwhile. A
stale fence means that another driver has the study: everything about it is dropped.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from nas.campaign import Campaign
from nas.endings import MAX_REASON
from nas.errors import StaleFence, StoreUnavailable
from nas.ports import Batch, Claim, Clock, DriverStore, Event, Executor, History
from nas.proposals import Proposals
from nas.run import Finished, Run, RunKey
from nas.study import StudySpec, StudyState

log = logging.getLogger(__name__)

CLAIM_SECONDS = 0.5
"""How often a driver with room looks for a study."""
RENEW_SECONDS = 1.0
"""How often a lease is renewed and the user's wish is heard, unless the lease asks for more; of a paused study, once a quarter
of its lease."""
PROPOSE_SECONDS = 0.25
"""The longest time spent on proposals before what is ready is dispatched."""
POLL_SECONDS = 0.2
MIN_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS = 0.05, 2.0


class ProposalsMaker(Protocol):
    """Makes what a study's trials come from; `max_params` is the service's own limit."""

    def __call__(self, spec: StudySpec, *, max_params: int) -> Proposals:
        """For a study that was claimed."""


@dataclass(slots=True)
class Held:
    """A claimed study. `batch` is decided and not yet written, `runs` are started and not yet submitted."""

    claim: Claim
    campaign: Campaign
    renew_at: float
    batch: Batch | None = None
    runs: list[Run] = field(default_factory=list)
    broken: bool = False

    @property
    def may_start(self) -> bool:
        """Nothing new is decided before what is decided is written."""
        return self.batch is None and not self.broken


class Driver:
    """Drives up to `max_studies` studies at once, paused ones not counted; the one with the fewest runs goes first."""

    def __init__(
        self,
        *,
        store: DriverStore,
        executor: Executor,
        clock: Clock,
        driver_id: str,
        lease_seconds: float,
        max_params: int,
        max_studies: int = 32,
        make_proposals: ProposalsMaker = Proposals,
    ) -> None:
        self._store, self._executor, self._clock = store, executor, clock
        self._driver_id, self._lease_seconds = driver_id, lease_seconds
        self._max_params, self._max_studies, self._make_proposals = max_params, max_studies, make_proposals
        self._held: dict[str, Held] = {}
        self._submitted: set[RunKey] = set()
        self._claim_at = self._retry_at = self._backoff = 0.0

    @property
    def studies(self) -> tuple[str, ...]:
        """The studies it holds."""
        return tuple(self._held)

    def run(self, stopping: Callable[[], bool]) -> None:
        """Drive until told to stop, then give the studies back. Runs in flight are lost, and repeated by the next driver."""
        busy = True
        while not stopping():
            busy = self.step(0.0 if busy else POLL_SECONDS)
        self.release()

    def step(self, patience_seconds: float = 0.0) -> bool:
        """One turn of the loop, which waits so long for results; False when there was nothing to do."""
        # renew first: a lease that ended while nobody else wanted the study is kept, and not claimed from ourselves
        self._for_each(self._renew)
        busy = self._claim()
        busy |= self._accept(patience_seconds)
        self._start_runs()
        busy |= self._for_each(self._write)
        return self._for_each(self._ask_ahead) or busy

    def release(self) -> None:
        """Write what is decided, cancel what runs, give every study back."""
        for held in self._held.values():
            self._cancel(held)
        self._for_each(self._write)
        self._for_each(self._give_back)
        self._held.clear()

    def _for_each(self, action: Callable[[Held], bool]) -> bool:
        done = [self._attend(held, action) for held in list(self._held.values())]
        return any(done)

    def _attend(self, held: Held, action: Callable[[Held], bool]) -> bool:
        """Do something for one study; what goes wrong concerns that study alone."""
        try:
            return action(held)
        except StaleFence:
            log.warning("study %s: another driver has it", held.claim.study_id)
            self._drop(held)
        except StoreUnavailable as error:
            self._back_off(error)
        except Exception as error:
            log.exception("study %s: failed", held.claim.study_id)
            self._break(held, error)
        return False

    # claims and leases

    def _claim(self) -> bool:
        now = self._clock.monotonic()
        # a paused study waits for its user and must not keep others out
        n_active = sum(not held.campaign.paused for held in self._held.values())
        if now < max(self._claim_at, self._retry_at) or n_active >= self._max_studies:
            return False
        self._claim_at = now + CLAIM_SECONDS
        try:
            claim = self._store.claim(self._driver_id, self._lease_seconds)
        except StoreUnavailable as error:
            self._back_off(error)
            return False
        return claim is not None and self._take_up(claim)

    def _take_up(self, claim: Claim) -> bool:
        """Rebuild the study from its rows; one that cannot be read, or not to the end, is left alone until its lease ends."""
        self._claim_at = 0.0
        if claim.study_id in self._held:
            self._drop(self._held[claim.study_id])
        try:
            history = self._store.history(claim)
            proposals = self._make_proposals(claim.spec, max_params=self._max_params)
            campaign = Campaign(claim, proposals, last_sequence=history.last_sequence)
        except Exception:
            log.exception("study %s: cannot be taken up", claim.study_id)
            return False
        log.info("study %s: claimed, %d trials so far", claim.study_id, len(history.trials))
        held = self._held[claim.study_id] = Held(claim, campaign, renew_at=self._renewal(campaign))
        taken_up = self._attend(held, partial(self._replay, history))
        if not (taken_up or held.broken):
            self._drop(held)
        return taken_up

    def _replay(self, history: History, held: Held) -> bool:
        for standing in history.trials:
            held.campaign.replay(standing)
            self._keep(held)
        held.campaign.resume(history.running)
        # before any run of it starts: its user may have paused or stopped it meanwhile
        self._hear(held)
        return True

    def _renewal(self, campaign: Campaign) -> float:
        quarter = self._lease_seconds / 4
        return self._clock.monotonic() + (quarter if campaign.paused else min(RENEW_SECONDS, quarter))

    def _keep(self, held: Held) -> None:
        """Extend the lease when it is time."""
        if self._clock.monotonic() >= max(held.renew_at, self._retry_at):
            self._store.renew(held.claim, self._lease_seconds)
            held.renew_at = self._renewal(held.campaign)

    def _renew(self, held: Held) -> bool:
        """Extend the lease when it is time, and hear what the user wants."""
        if self._clock.monotonic() >= max(held.renew_at, self._retry_at):
            self._hear(held)
        return False

    def _hear(self, held: Held) -> None:
        """Extend the lease and do what the user wants."""
        wish = self._store.renew(held.claim, self._lease_seconds)
        # an unwritten batch may hold a change of state that this wish does not know of
        if held.may_start:
            held.campaign.obey(wish)
            held.campaign.settle()
        held.renew_at = self._renewal(held.campaign)

    def _give_back(self, held: Held) -> bool:
        self._store.release(held.claim)
        return True

    def _drop(self, held: Held) -> None:
        self._cancel(held)
        self._held.pop(held.claim.study_id, None)

    def _cancel(self, held: Held) -> None:
        held.runs.clear()
        for key in held.campaign.in_flight:
            self._executor.cancel(key)
            self._submitted.discard(key)

    # runs

    def _accept(self, patience_seconds: float) -> bool:
        if not self._submitted and patience_seconds:
            self._clock.sleep(patience_seconds)
            patience_seconds = 0.0
        everything = self._executor.poll(patience_seconds)
        for finished in everything:
            self._submitted.discard(finished.key)
            held = self._held.get(finished.study_id)
            if held is not None:
                self._attend(held, partial(_accept, finished))
        return bool(everything)

    def _start_runs(self) -> None:
        """Fill the free places; the study with the fewest runs in flight goes first."""
        free = self._executor.capacity() - sum(held.campaign.n_in_flight for held in self._held.values())
        until = self._clock.monotonic() + PROPOSE_SECONDS
        eager = [held for held in self._held.values() if held.may_start]
        while eager and free > 0:
            held = min(eager, key=lambda held: held.campaign.n_in_flight)
            before = held.campaign.n_in_flight
            if not self._attend(held, _advance):
                eager.remove(held)
            free -= held.campaign.n_in_flight - before
            if self._clock.monotonic() >= until:
                break

    def _ask_ahead(self, held: Held) -> bool:
        """Runs are on their way: the time to make the next proposals."""
        # every study has its share of the places
        if not (held.may_start and held.campaign.wants_proposal(self._executor.capacity() // len(self._held))):
            return False
        held.campaign.propose()
        return True

    def _write(self, held: Held) -> bool:
        """Write what is decided, then submit what it started."""
        if self._clock.monotonic() < self._retry_at:
            return False
        if held.may_start:
            held.batch = held.campaign.take_batch()
        if held.batch is None:
            return self._submit(held)
        self._store.write(held.claim, held.batch)
        for event in held.batch.events:
            log.info("study %s: %s %s", held.claim.study_id, event.kind, event.data)
        for kept in held.batch.kept:
            self._executor.forget(kept)
        held.batch, self._backoff = None, 0.0
        self._submit(held)
        if held.campaign.final or held.broken:
            self._drop(held)
        return True

    def _submit(self, held: Held) -> bool:
        """As many as there is room for: places may have gone since the runs were started."""
        room = max(0, self._executor.capacity() - len(self._submitted)) if held.runs else 0
        going, held.runs = held.runs[:room], held.runs[room:]
        for run in going:
            self._executor.submit(run)
            self._submitted.add(run.key)
        return bool(going)

    # trouble

    def _back_off(self, error: StoreUnavailable) -> None:
        self._backoff = min(MAX_BACKOFF_SECONDS, max(MIN_BACKOFF_SECONDS, 2 * self._backoff))
        self._retry_at = self._clock.monotonic() + self._backoff
        log.warning("store: %s; trying again in %.2f s", error, self._backoff)

    def _break(self, held: Held, error: Exception) -> None:
        """A defect met one study: end it as failed, or leave it to its lease when even that fails."""
        self._cancel(held)
        if held.broken:
            self._drop(held)
            return
        reason = f"internal error: {type(error).__name__}: {error}"[:MAX_REASON]
        sequence = held.batch.sequence if held.batch else held.campaign.next_sequence
        event = Event(kind="study.state", data={"state": StudyState.FAILED, "reason": reason})
        kept = held.campaign.kept
        held.batch = Batch(sequence=sequence, study_state=StudyState.FAILED, reason=reason, events=(event,), kept=kept)
        held.broken = True


def _accept(finished: Finished, held: Held) -> bool:
    held.campaign.accept(finished)
    return True


def _advance(held: Held) -> bool:
    """Start one run, or make a proposal that the next call may start; False when the study has neither."""
    run = held.campaign.next_run()
    if run is not None:
        held.runs.append(run)
        return True
    if held.campaign.wants_proposal(1):
        held.campaign.propose()
        return True
    return False
