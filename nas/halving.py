"""Asynchronous successive halving (arXiv 1810.05934): who goes on to the next rung, decided without waiting for anybody.

A trial goes on as soon as it is among the best 1/eta of those scored at its rung. When a study ends, a rung from which nobody
went on sends its best one, so that every study has a trial at the full budget. Scores are those on validation data.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from nas.objectives import Values
from nas.ranking import ranking


@dataclass(frozen=True, slots=True)
class Left:
    """A trial that was not promoted: `place` counts from 1 among `n_scored`; the best `n_promoted` went on."""

    number: int
    rung: int
    place: int
    n_scored: int
    n_promoted: int

    @property
    def reason(self) -> str:
        """One line for a person."""
        best = "the best one" if self.n_promoted == 1 else f"{self.n_promoted}"
        return f"{ordinal(self.place)} of {self.n_scored} at rung {self.rung}; {best} went on"


class Halving:
    """The rungs below the last one, each a ranking of the trials scored there."""

    def __init__(self, *, eta: int, n_rungs: int, n_objectives: int) -> None:
        self._eta = eta
        self._rungs = [ranking(n_objectives) for _ in range(n_rungs - 1)]
        self._n_promoted = [0] * (n_rungs - 1)

    def record(self, number: int, rung: int, values: Values, *, promoted: bool = False) -> None:
        """A trial's values at a rung below the last, larger is better; `promoted` when it has gone on already."""
        self._rungs[rung].add(number, values, waiting=not promoted)
        self._n_promoted[rung] += promoted

    def promote(self, *, closing: bool = False) -> tuple[int, int] | None:
        """Take the trial that goes on next, and the rung it goes to, from the highest rung that has one; None when nobody may.

        closing: no more trials will come, so a rung too small for 1/eta still sends its best.
        """
        for rung in reversed(range(len(self._rungs))):
            scored = self._rungs[rung]
            best = scored.best_waiting()
            if best is not None and best[1] < max(len(scored) // self._eta, int(closing)):
                scored.promote(best[0])
                self._n_promoted[rung] += 1
                return best[0], rung + 1
        return None

    def left(self) -> Iterator[Left]:
        """Everybody who still waits."""
        for rung, scored in enumerate(self._rungs):
            for number, place in scored.waiting():
                yield Left(number, rung, place + 1, len(scored), self._n_promoted[rung])


def ordinal(place: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th."""
    suffix = "th" if place % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{suffix}"
