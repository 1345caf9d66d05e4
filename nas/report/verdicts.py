"""What a comparison with a baseline comes to, in words: a verdict, a headline, and what it would take to tell."""

import math
from dataclasses import dataclass
from typing import Final, Literal

from nas.quantities import short_count
from nas.report.estimate import Estimate
from nas.report.payoff_document import Comparison, SearchArm
from nas.statistics.intervals import NORMAL_975
from nas.statistics.superiority import NORMAL_80, Superiority, trials_needed
from nas.study import FINAL_STUDY_STATES

SIGNIFICANCE: Final = 0.025
"""On either side: 5 % in all."""
MOST_MORE_TRIALS: Final = 20
"""Times the trials that there are: what needs more than that is no advice."""
MOST_SEEDS: Final = 100

Verdict = Literal["better", "not_shown", "worse", "too_few"]
_BY_SIDE: Final[dict[int, Verdict]] = {1: "better", 0: "not_shown", -1: "worse"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """The numbers of a comparison, as `Comparison` has them. n_trials: of each side at the first rung; noise: of a score over
    seeds; reach: half of the interval that measurement alone leaves to the difference. tested: whether the superiority is."""

    baseline: SearchArm
    measure: Literal["score", "hypervolume"]
    optimiser_steps: int
    final: bool
    n_trials: tuple[int, int]
    noise: float | None
    ours: Estimate | None = None
    theirs: Estimate | None = None
    difference: Estimate | None = None
    superiority: Superiority | None = None
    tested: bool = False
    reach: float = 0.0

    def document(self) -> Comparison:
        """With its verdict."""
        return Comparison(
            baseline=self.baseline,
            measure=self.measure,
            optimiser_steps=self.optimiser_steps,
            ours=self.ours,
            theirs=self.theirs,
            difference=self.difference,
            superiority=self.superiority.share if self.superiority else None,
            p_value=self.p_value,
            more_trials=self.more_trials,
            more_seeds=self.more_seeds,
            verdict=self.verdict,
            final=self.final,
            headline=self.headline,
            details=" ".join(self._details()),
        )

    @property
    def side(self) -> int:
        """1 and -1 where the interval of the difference leaves no doubt, else 0."""
        found = self.difference
        if found is None or found.low is None or found.high is None:
            return 0
        return int(found.low > 0) - int(found.high < 0)

    @property
    def proposals(self) -> int:
        """The same for the superiority; 0 where it is not tested."""
        if self.superiority is None or not self.tested:
            return 0
        return int(self.superiority.p_better <= SIGNIFICANCE) - int(self.superiority.p_worse <= SIGNIFICANCE)

    @property
    def p_value(self) -> float | None:
        """One-sided, on the side where the share lies."""
        if self.superiority is None or not self.tested:
            return None
        return min(self.superiority.p_better, self.superiority.p_worse)

    @property
    def verdict(self) -> Verdict:
        """Both must leave no doubt; of a baseline that learns only the difference can."""
        if self.difference is None:
            return "too_few"
        told = self.side if not self.tested or self.side == self.proposals else 0
        return _BY_SIDE[told]

    @property
    def more_trials(self) -> int | None:
        """Of each search, so that a superiority as it stands would be told."""
        if self.verdict != "not_shown" or not self.tested or self.superiority is None or self.superiority.share <= 0.5:
            return None
        there, needed = min(self.n_trials), trials_needed(self.superiority.share)
        if self.proposals or needed is None or not there < needed <= MOST_MORE_TRIALS * there:
            return None
        return needed - there

    @property
    def more_seeds(self) -> int | None:
        """Fresh seeds of what each takes home, so that a difference as it stands would be told from noise 4 times in 5."""
        if self.verdict != "not_shown" or self.measure != "score" or not self.noise or self.difference is None:
            return None
        gap = abs(self.difference.value)
        if gap == 0 or gap > self.reach:
            return None
        needed = math.ceil(2 * ((NORMAL_975 + NORMAL_80) * self.noise / gap) ** 2)
        return needed if needed <= MOST_SEEDS else None

    @property
    def name(self) -> str:
        """What the baseline is called."""
        return f"{self.baseline.sampler.replace('_', ' ').removesuffix(' search')} search"

    @property
    def headline(self) -> str:
        """One sentence for who reads nothing else."""
        if self.ours is None or self.theirs is None:
            return f"There is nothing yet to compare with {self.name} at the same cost."
        claim = {
            "better": f"the search beat {self.name}",
            "worse": f"{self.name} beat the search",
            "not_shown": f"the search is not shown to beat {self.name}",
        }[self.verdict]
        claim = claim[0].upper() + claim[1:] if self.final else f"So far {claim}"
        of = "" if self.measure == "score" else " of the box of the objectives"
        first, second = (self.theirs, self.ours) if self.verdict == "worse" else (self.ours, self.theirs)
        return (
            f"{claim} at the same cost: {first.value:.4f}{of} against {second.value:.4f} after "
            f"{short_count(self.optimiser_steps)} optimiser steps."
        )

    def _details(self) -> list[str]:
        words = []
        if self.difference is not None and self.difference.low is not None and self.difference.high is not None:
            words.append(
                f"Difference {self.difference.value:+.4f} ({self.difference.low:+.4f} to {self.difference.high:+.4f})."
            )
        if self.superiority is not None:
            tested = f" (p {self.p_value:.3f})" if self.p_value is not None else ""
            beats = f"a trial of the search beats one of {self.name} with probability {self.superiority.share:.2f}{tested}"
            words.append(f"At the first rung {beats}.")
        if self.verdict == "not_shown":
            words.append(self._why())
        if self.more_trials is not None:
            words.append(f"If both go on like this, about {self.more_trials} more trials of each would tell.")
        if self.more_seeds is not None:
            words.append(f"About {self.more_seeds} fresh seeds of what each takes home would tell (confirmation).")
        if self.difference is not None and not self.tested:
            words.append("Each search ran once: another seed of either may turn it.")
        if self.baseline.state not in FINAL_STUDY_STATES:
            done = f"{self.baseline.measured} of {self.baseline.budget} trials measured"
            words.append(f"The baseline is {self.baseline.state}: {done}.")
        return words

    def _why(self) -> str:
        """Why nothing is shown."""
        if self.side and self.tested:
            ahead = "The search" if self.side > 0 else f"{self.name[0].upper()}{self.name[1:]}"
            other = "better" if self.side > 0 else "worse"
            return (
                f"{ahead} is ahead by more than measurement explains, but the search's trials are not shown to be {other} than "
                "random ones: one of two equal searches is always ahead."
            )
        if self.proposals > 0:
            return "Its trials are better than random ones, but what it takes home is not told apart."
        return "What the two take home is not told apart."
