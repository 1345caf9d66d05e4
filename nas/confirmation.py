"""Confirmation: the best at the last rung are measured again with fresh seeds, until nobody is left to be told apart.

Who gets another seed follows from the scores alone, seed by seed in order, so that a driver that goes on after another decides
the same, whatever had ended in between.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, variance

from scipy.special import stdtrit

from nas.objectives import Values
from nas.ranking import ranking
from nas.run import Result
from nas.statistics.intervals import mean_interval
from nas.study import StudySpec
from nas.trial import Confirmed


def told_apart(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether two trials' scores over seeds differ at 95 % (Welch's t-test).

    A trial with one seed is told apart from none. Trials whose seeds all agree differ when their scores do.
    """
    if len(one) < 2 or len(other) < 2:
        return False
    difference = abs(fmean(one) - fmean(other))
    a, b = variance(one) / len(one), variance(other) / len(other)
    if a + b == 0:
        return difference > 0
    degrees = (a + b) ** 2 / (a**2 / (len(one) - 1) + b**2 / (len(other) - 1))
    return difference > float(stdtrit(degrees, 0.975)) * math.sqrt(a + b)


def next_seeds(scores: Mapping[int, Sequence[float]], *, first: int, most: int) -> Iterator[int]:
    """The trials that need another seed now; none when all have what they shall have.

    Everybody gets the `first` ones. Then, one seed a round and up to `most`, those whose scores of the rounds before leave
    open whether they are the best: a trial that is told apart from the best gets no more.
    """
    open_trials = set(scores)
    for n_seeds in range(first, most + 1):
        lacking = sorted(number for number in open_trials if len(scores[number]) < n_seeds)
        if lacking:
            yield from lacking
            return
        seen = {number: values[:n_seeds] for number, values in scores.items()}
        best = min(seen, key=lambda number: (-fmean(seen[number]), number), default=None)
        open_trials = {number for number in open_trials if best is not None and not told_apart(seen[number], seen[best])}
        if open_trials == {best}:
            return


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalist:
    """A trial that has a score at the last rung. values: what it is ranked by there, as the search sees it.

    reported: its metrics on test data at the last rung, and then with each fresh seed; errors: the standard error of each fresh
    seed's score from the draw of the test sample.
    """

    is_reference: bool
    values: Values
    rates: Mapping[str, float]
    reported: list[Mapping[str, float]]
    errors: list[float] = field(default_factory=list)

    @property
    def scores(self) -> tuple[float, ...]:
        """Over fresh seeds alone: that of the last rung helped to choose it, and would say too much."""
        return tuple(metrics["score"] for metrics in self.reported[1:])

    def mean_metrics(self) -> dict[str, float]:
        """Means over fresh seeds; what their single learning rate cannot say stays as the whole grid said it."""
        first, *others = self.reported[1:]
        names = [name for name in first if all(name in metrics for metrics in others)]
        return {**self.reported[0], **{name: fmean(metrics[name] for metrics in self.reported[1:]) for name in names}}

    def take(self, metrics: Mapping[str, float], error: float) -> None:
        """What one more fresh seed says."""
        self.reported.append(metrics)
        self.errors.append(error)

    def confirmed(self, only: Result | None) -> Confirmed:
        """What its fresh seeds say so far. `only`: the result of the first one while there is no other."""
        scores = self.scores
        low, high = (only.score_low, only.score_high) if only is not None else self._interval()
        return Confirmed(
            score=fmean(scores),
            score_low=low,
            score_high=high,
            interval="test_sample" if len(scores) == 1 else "replicas",
            n_seeds=len(scores),
            metrics=self.mean_metrics(),
        )

    def _interval(self) -> tuple[float, float]:
        """Over seeds and the draw of the test sample that they share, as the report and the leaderboard have it."""
        found = mean_interval(self.scores, fmean(self.errors) if self.errors else 0.0).within(0, 1)
        return found.low, found.high


@dataclass(slots=True)
class Finalists:
    """Who has reached the last rung of a study with confirmation, and who is confirmed next."""

    spec: StudySpec
    _members: dict[int, Finalist] = field(default_factory=dict)

    def __getitem__(self, number: int) -> Finalist:
        return self._members[number]

    def enter(self, number: int, finalist: Finalist) -> None:
        """A trial has its score at the last rung."""
        self._members[number] = finalist

    def leave(self, number: int) -> None:
        """A trial failed: it is confirmed no further."""
        self._members.pop(number, None)

    @property
    def numbers(self) -> tuple[int, ...]:
        """Everybody who is in."""
        return tuple(self._members)

    def next(self) -> tuple[int, ...]:
        """The trials that are measured with one more fresh seed, once nothing runs any more."""
        confirmation = self.spec.confirmation
        if confirmation is None:
            return ()
        chosen = {number: self._members[number].scores for number in sorted(self._chosen(confirmation.leaders))}
        return tuple(next_seeds(chosen, first=confirmation.first, most=confirmation.seeds))

    def _chosen(self, n_leaders: int) -> Iterator[int]:
        """Every reference, and the search's own best as the search ranked them."""
        ranked = ranking(len(self.spec.objectives))
        for number, finalist in self._members.items():
            if finalist.is_reference:
                yield number
            else:
                ranked.add(number, finalist.values, waiting=True)
        yield from (number for number, place in ranked.waiting() if place < n_leaders)
