"""What a study's driver has decided and not yet written: gathered into one batch."""

from dataclasses import dataclass, field
from typing import Any

from nas.pareto import Flags
from nas.ports import Batch, Event, Kept, Move, RunRecord
from nas.study import StudyState, Wish
from nas.trial import Trial, TrialState


@dataclass(slots=True, kw_only=True)
class Changes:
    """Grows until its batch is taken; then the next ones start, with the next sequence."""

    sequence: int
    state: StudyState | None = None
    reason: str | None = None
    wish: Wish | None = None
    _trials: list[Trial] = field(default_factory=list)
    _moves: list[Move] = field(default_factory=list)
    _flags: dict[int, bool] = field(default_factory=dict)
    _runs: list[RunRecord] = field(default_factory=list)
    _events: list[Event] = field(default_factory=list)
    _kept: list[Kept] = field(default_factory=list)

    def trial(self, trial: Trial) -> None:
        """A whole row. It comes before the trial's moves: between a move and the next row there is always a run."""
        self._trials.append(trial)

    def move(self, number: int, state: TrialState, reason: str | None) -> None:
        """A new state of a row."""
        self._moves.append(Move(number=number, state=state, reason=reason))

    def flags(self, flags: Flags) -> None:
        """Pareto flags that changed."""
        self._flags.update(flags)

    def run(self, record: RunRecord) -> None:
        """A run that started or ended."""
        self._runs.append(record)

    def keep(self, kept: Kept) -> None:
        """What a trial still needs on disk; it never comes alone."""
        self._kept.append(kept)

    def event(self, kind: str, **data: Any) -> None:
        """Something for watchers; entries that are None are left out."""
        self._events.append(Event(kind=kind, data={key: value for key, value in data.items() if value is not None}))

    def batch(self) -> Batch | None:
        """All of it, or None when nothing changed."""
        if not (self._events or self._trials or self._moves or self._flags or self._runs or self.state):
            return None
        return Batch(
            sequence=self.sequence,
            trials=tuple(self._trials),
            moves=tuple(self._moves),
            pareto=tuple(self._flags.items()),
            runs=tuple(self._runs),
            study_state=self.state,
            reason=self.reason,
            wish=self.wish,
            events=tuple(self._events),
            kept=tuple(self._kept),
        )
