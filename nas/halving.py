"""Asynchronous successive halving (arXiv 1810.05934): who goes on to the next rung, decided without waiting for anybody.

A trial goes on as soon as it is among the best 1/eta of those of its bracket scored at its rung. When a study ends, a rung from
which nobody went on sends its best one, and the next one where all that went on fell, so that a study has a trial at the full
budget where any trial can get there. Scores are on validation data.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from nas.objectives import Values
from nas.ranking import Ranking, ranking


@dataclass(frozen=True, slots=True)
class Left:
    """A trial that was not promoted: `place` counts from 1 among `n_scored`; the best `n_promoted` went on.

    bracket: whose ranking that is; None where there is only one.
    """

    number: int
    rung: int
    bracket: int | None
    place: int
    n_scored: int
    n_promoted: int

    @property
    def reason(self) -> str:
        """One line for a person."""
        best = "the best one" if self.n_promoted == 1 else f"{self.n_promoted}"
        where = f"rung {self.rung}" + ("" if self.bracket is None else f" of bracket {self.bracket}")
        return f"{ordinal(self.place)} of {self.n_scored} at {where}; {best} went on"


@dataclass(slots=True)
class _Level:
    """A rung of a bracket. n_fallen: of the promoted, how many never reached the full budget and never will."""

    bracket: int
    rung: int
    scored: Ranking
    n_promoted: int = 0
    n_fallen: int = 0


class Halving:
    """The rungs of each bracket below the last one, each a ranking of the trials scored there. Bracket s begins at rung s."""

    def __init__(self, *, eta: int, n_rungs: int, n_objectives: int, n_brackets: int = 1) -> None:
        self._eta, self._n_brackets = eta, n_brackets
        places = [(bracket, rung) for rung in range(n_rungs - 1) for bracket in range(min(n_brackets, rung + 1))]
        self._levels = {place: _Level(*place, ranking(n_objectives)) for place in places}
        # the highest rung goes first
        self._order = sorted(self._levels.values(), key=lambda level: (-level.rung, level.bracket))

    def record(self, number: int, rung: int, values: Values, *, bracket: int = 0, promoted: bool = False) -> None:
        """A trial's values at a rung below the last, larger is better; `promoted` when it has gone on already."""
        level = self._levels[bracket, rung]
        level.scored.add(number, values, waiting=not promoted)
        level.n_promoted += promoted

    def fall(self, rung: int, *, bracket: int = 0) -> None:
        """A trial failed or broke a constraint at a rung: it keeps its places, and stands for none of the rungs below."""
        for below in range(bracket, rung):
            self._levels[bracket, below].n_fallen += 1

    def promote(self, *, closing: bool = False) -> tuple[int, int] | None:
        """Take the trial that goes on next, and the rung it goes to, from the highest rung that has one; None when nobody may.

        closing: no more trials will come, so a rung that nobody stands for any more still sends its best.
        """
        for level in self._order:
            best = level.scored.best_waiting()
            alone = closing and level.n_promoted == level.n_fallen
            if best is not None and (alone or best[1] < len(level.scored) // self._eta):
                level.scored.promote(best[0])
                level.n_promoted += 1
                return best[0], level.rung + 1
        return None

    def left(self) -> Iterator[Left]:
        """Everybody who still waits."""
        for level in self._levels.values():
            bracket = level.bracket if self._n_brackets > 1 else None
            for number, place in level.scored.waiting():
                yield Left(number, level.rung, bracket, place + 1, len(level.scored), level.n_promoted)


def ordinal(place: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th."""
    suffix = "th" if place % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{suffix}"
