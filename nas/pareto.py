"""The Pareto front of a study, kept up as results arrive.

Only trials at the highest rung that anybody has reached are compared: a score at a smaller budget says too little about one at
a larger budget to dominate it, or to stand beside it. References take part, so a trial on the front beats them too.
"""

import numpy as np

from nas.dominance import dominated
from nas.objectives import Values, dominates

Flags = tuple[tuple[int, bool], ...]


class ParetoFront:
    """The trials of the highest rung that no other dominates. Values are oriented so that larger is better."""

    def __init__(self) -> None:
        self._rung = -1
        self._values: dict[int, Values] = {}
        self._members: dict[int, Values] = {}

    def __contains__(self, number: int) -> bool:
        return number in self._members

    def add(self, number: int, rung: int, values: Values) -> Flags:
        """Take in a trial's values at a rung, or newer ones; returns every flag that this changes."""
        if rung < self._rung:
            return ()
        if rung == self._rung and number in self._values:
            return self._replace(number, values)
        before = set(self._members)
        if rung > self._rung:
            self._rung, self._values, self._members = rung, {}, {}
        self._values[number] = values
        self._admit(number, values)
        off = sorted(before - self._members.keys())
        # said of a member that goes up, too: whoever follows one rung alone must hear of it
        return (*((member, False) for member in off if member != number), *(((number, True),) if number in self else ()))

    def remove(self, number: int) -> Flags:
        """A trial does not count any more; returns every flag that this changes, its own too."""
        return self._replace(number, None)

    def _replace(self, number: int, values: Values | None) -> Flags:
        """Those that its old values kept off may belong now."""
        before = set(self._members)
        self._values.pop(number, None)
        old = self._members.pop(number, None)
        if old is not None:
            self._let_in(old)
        if values is not None:
            self._values[number] = values
            self._admit(number, values)
        return tuple((n, n in self._members) for n in sorted(before ^ set(self._members)))

    def _let_in(self, gone: Values) -> None:
        """Admit those whom these values dominated and no member does."""
        numbers, everybody = list(self._values), np.array(list(self._values.values()))
        if not numbers:
            return
        kept_off = np.flatnonzero(dominated(everybody, np.array([gone])))
        if self._members:
            kept_off = kept_off[~dominated(everybody[kept_off], np.array(list(self._members.values())))]
        for index in kept_off:
            self._admit(numbers[index], self._values[numbers[index]])

    def _admit(self, number: int, values: Values) -> None:
        """Make the trial a member unless one dominates it; those it dominates leave."""
        if any(dominates(other, values) for other in self._members.values()):
            return
        beaten = [member for member, other in self._members.items() if dominates(values, other)]
        for member in beaten:
            del self._members[member]
        self._members[number] = values
