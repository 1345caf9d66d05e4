"""What a study's trials say, as arrays, read again only where a trial has changed: an ask among 10,000 takes milliseconds.

All of it follows from the trials alone, however often and whenever somebody looked. Optuna replaces a finished trial rather
than change it, so one that is the same object says the same.
"""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from optuna import Study
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from nas.sampling.tree import Tree

Array = NDArray[np.float64]
Numbers = NDArray[np.int64]
Params = Mapping[str, Any]

INACTIVE = -1
UNSEEN = -2
UNCHECKED = -1
ON_FRONT = -2


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A study at one moment. A trial's place everywhere is its number.

    losses: (trials, objectives), smaller is better, NaN without values. violation: (trials,), by how much a trial breaks
    constraints, NaN while nobody knows: it runs, failed, or was stopped without a verdict. codes: of each gene that some trial
    has, (trials,): which of the gene's values, counted as they came up.

    Two places for notes, true while they stand. spent: trials of which all neighbours have been tried. beaten_by: (trials,), a
    trial that is at least as good in all objectives, or `ON_FRONT` where none is; `UNCHECKED` again when either changes.
    """

    trials: Sequence[FrozenTrial]
    losses: Array
    violation: Array
    codes: Mapping[str, NDArray[np.int32]]
    values: Mapping[str, Mapping[Any, int]]
    spent: set[int]
    beaten_by: Numbers

    @property
    def settled(self) -> Numbers:
        """The trials with a verdict."""
        return np.flatnonzero(~np.isnan(self.violation))

    @property
    def feasible(self) -> Numbers:
        """Those that keep all constraints."""
        return np.flatnonzero(self.violation == 0)

    def tried_from(self, params: Params) -> set[tuple[str, Any]]:
        """The changes of one gene that lead from here to some trial, whatever became of it.

        A change may bring other genes into action, or put some out of it: only genes that both have must agree.
        """
        differences = np.zeros(len(self.trials), dtype=np.int16)
        for name, value in params.items():
            differences += self._differs(name, value)
        near = np.flatnonzero(differences == 1)
        return {
            (name, self.trials[number].params[name])
            for name, value in params.items()
            for number in near[self._differs(name, value)[near]].tolist()
        }

    def _differs(self, name: str, value: Any) -> NDArray[np.bool_]:
        """Which trials have the gene, with another value."""
        if name not in self.codes:
            return np.zeros(len(self.trials), dtype=np.bool_)
        codes = self.codes[name]
        differs: NDArray[np.bool_] = (codes != self.values[name].get(value, UNSEEN)) & (codes != INACTIVE)
        return differs


class Memory:
    """Looks at one study. A sampler that lives for one ask is handed the memory of those before it."""

    def __init__(self) -> None:
        self.tree = Tree()
        self._lock = Lock()
        self._trials: Sequence[FrozenTrial] = ()
        self._open: Sequence[int] = ()
        self._losses: Array = np.empty((0, 0))
        self._violation: Array = np.empty(0)
        self._beaten_by: Numbers = np.empty(0, dtype=np.int64)
        self._codes: dict[str, NDArray[np.int32]] = {}
        self._values: dict[str, dict[Any, int]] = {}
        self._spent: set[int] = set()

    def __reduce__(self) -> tuple[type[Self], tuple[()]]:
        # a pickled sampler reads its study anew
        return type(self), ()

    def look(self, study: Study) -> Told:
        """The study as it is now."""
        trials = study.get_trials(deepcopy=False)
        signs = [-1.0 if direction is StudyDirection.MAXIMIZE else 1.0 for direction in study.directions]
        with self._lock:
            self._make_room(len(trials), len(signs))
            changed = self._changed(trials)
            self._beaten_by[np.isin(self._beaten_by, changed)] = UNCHECKED
            self._beaten_by[changed] = UNCHECKED
            for number in changed:
                self._read(trials[number], number, signs)
            self._trials = trials
            self._open = [number for number in changed if not trials[number].state.is_finished()]
            n = len(trials)
            return Told(
                trials=trials,
                losses=self._losses[:n],
                violation=self._violation[:n],
                codes={name: codes[:n] for name, codes in self._codes.items()},
                values=self._values,
                spent=self._spent,
                beaten_by=self._beaten_by[:n],
            )

    def _make_room(self, n_trials: int, n_objectives: int) -> None:
        if n_trials > len(self._violation):
            room = max(256, 2 * n_trials)
            self._losses = _grown(self._losses.reshape(-1, n_objectives), room, np.nan)
            self._violation = _grown(self._violation, room, np.nan)
            self._beaten_by = _grown(self._beaten_by, room, UNCHECKED)
            self._codes = {name: _grown(codes, room, INACTIVE) for name, codes in self._codes.items()}

    def _changed(self, trials: Sequence[FrozenTrial]) -> list[int]:
        """Numbers of trials that are new, replaced, or were not finished: these may change in place."""
        n_before = len(self._trials)
        same = np.fromiter(map(operator.is_, self._trials, trials), dtype=np.bool_, count=n_before)
        replaced = {*np.flatnonzero(~same).tolist(), *self._open}
        return [*sorted(replaced), *range(n_before, len(trials))]

    def _read(self, trial: FrozenTrial, number: int, signs: Sequence[float]) -> None:
        self._violation[number] = _violation(trial)
        if trial.state is TrialState.COMPLETE:
            self._losses[number] = np.multiply(trial.values, signs)
        else:
            self._losses[number] = np.nan
        for name, value in trial.params.items():
            values = self._values.setdefault(name, {})
            if name not in self._codes:
                self._codes[name] = np.full(len(self._violation), INACTIVE, dtype=np.int32)
            self._codes[name][number] = values.setdefault(value, len(values))


def _grown(array: NDArray[Any], room: int, empty: float) -> NDArray[Any]:
    more = np.full((room - len(array), *array.shape[1:]), empty, dtype=array.dtype)
    return np.concatenate([array, more])


def _violation(trial: FrozenTrial) -> float:
    if trial.state not in (TrialState.COMPLETE, TrialState.PRUNED):
        return np.nan
    # most trials have no attributes, and to read constraints is the dearest part
    excess = sum(max(value, 0.0) for value in trial.constraints.values()) if trial.system_attrs else 0.0
    judged = trial.state is TrialState.COMPLETE or excess > 0
    return excess if judged else np.nan
