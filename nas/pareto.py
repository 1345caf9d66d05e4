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
        beaten = set(self._members) if rung > self._rung else self._dominated_by(values)
        if rung > self._rung:
            self._rung, self._values = rung, {}
        self._values[number] = values
        if any(dominates(other, values) for member, other in self._members.items() if member not in beaten):
            return ()
        for member in beaten:
            del self._members[member]
        self._members[number] = values
        return (*((member, False) for member in sorted(beaten) if member != number), (number, True))

    def remove(self, number: int) -> Flags:
        """A trial does not count any more; returns every flag that this changes, its own too."""
        return self._replace(number, None)

    def _replace(self, number: int, values: Values | None) -> Flags:
        """Decide anew: those that its old values kept off may belong now."""
        before = set(self._members)
        self._values.pop(number, None)
        if values is not None:
            self._values[number] = values
        everybody = self._values.items()
        self._members = {n: v for n, v in everybody if not any(dominates(other, v) for other in self._values.values())}
        return tuple((n, n in self._members) for n in sorted(before ^ set(self._members)))

    def _dominated_by(self, values: Values) -> set[int]:
        return {number for number, other in self._members.items() if dominates(values, other)}
