"""The Pareto front of a study, kept up as results arrive.

Only trials at the highest rung that anybody has reached are compared: a score at a smaller budget says too little about one at
a larger budget to dominate it, or to stand beside it. References take part, so a trial on the front beats them too.
"""

from nas.objectives import Values, dominates

Flags = tuple[tuple[int, bool], ...]


class ParetoFront:
    """The trials of the highest rung that no other dominates. Values are oriented so that larger is better."""

    def __init__(self) -> None:
        self._rung = -1
        self._members: dict[int, Values] = {}

    def __contains__(self, number: int) -> bool:
        return number in self._members

    def add(self, number: int, rung: int, values: Values) -> Flags:
        """Take in a trial's values at a rung; returns every flag that this changes."""
        if rung < self._rung:
            return ()
        beaten = set(self._members) if rung > self._rung else self._dominated_by(values)
        if rung == self._rung and any(dominates(other, values) for other in self._members.values()):
            return ()
        self._rung = rung
        for member in beaten:
            del self._members[member]
        self._members[number] = values
        return (*((member, False) for member in sorted(beaten) if member != number), (number, True))

    def _dominated_by(self, values: Values) -> set[int]:
        return {number for number, other in self._members.items() if dominates(values, other)}
