"""A study: what the user submits (frozen), and the states it passes."""

import math
import unicodedata
from collections.abc import Sequence
from difflib import get_close_matches
from enum import StrEnum
from typing import Annotated, Literal, NoReturn, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from nas.causality import reads_ahead
from nas.metrics import MACHINE_METRICS, METRICS, known, unmeasurable, unreachable
from nas.protocol import Protocol
from nas.references import only_for_tokens
from nas.samplers import Sampler, default_sampler, unsuitable
from nas.warm_start import WarmStart
from nas.width_transfer import untransferable, untransferable_gene
from search_spaces.document import Document
from search_spaces.inputs import cannot_read
from search_spaces.matching import MatchedCost, Target
from search_spaces.primitives import CostContext
from search_spaces.space import Space
from search_spaces.zoo import ZOO


class StudyState(StrEnum):
    """Where a study stands. Paused: runs in flight go on, no new ones start. Stopping: the same, and final."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"


STUDY_TRANSITIONS: dict[StudyState, frozenset[StudyState]] = {
    StudyState.QUEUED: frozenset({StudyState.RUNNING, StudyState.PAUSED, StudyState.STOPPED, StudyState.FAILED}),
    StudyState.RUNNING: frozenset(
        {StudyState.PAUSED, StudyState.STOPPING, StudyState.STOPPED, StudyState.COMPLETED, StudyState.FAILED}
    ),
    StudyState.PAUSED: frozenset({StudyState.RUNNING, StudyState.STOPPING, StudyState.STOPPED, StudyState.FAILED}),
    StudyState.STOPPING: frozenset({StudyState.STOPPED, StudyState.FAILED}),
    StudyState.COMPLETED: frozenset(),
    StudyState.STOPPED: frozenset(),
    StudyState.FAILED: frozenset(),
}

FINAL_STUDY_STATES = frozenset(state for state, following in STUDY_TRANSITIONS.items() if not following)


class Wish(StrEnum):
    """What the user wants of a study; its driver makes it so."""

    RUN = "run"
    PAUSE = "pause"
    STOP = "stop"


class CostAt(Document):
    """Where FLOPs and decode state are priced."""

    context_length: Annotated[int, Field(ge=1, le=10_000_000)] = 4096
    bytes_per_element: Annotated[int, Field(ge=1, le=8)] = 2

    @property
    def context(self) -> CostContext:
        """The same, for the cost formulas."""
        return CostContext(context_length=self.context_length, bytes_per_element=self.bytes_per_element)


Place = tuple[str | int, ...]
MetricName = Annotated[str, Field(min_length=1, max_length=100)]
Baseline = Literal["random", "local_search"]
"""Searches that a study can be held against; `nas.baselines` says what each of them is."""
MAX_NAME = 100
Bound = Annotated[int | float, Field(ge=-(10**15), le=10**15)]


class Constraint(Document):
    """A bound on any metric. A proposal whose exact cost is outside is infeasible and never reaches a worker.

    Everything else is judged on each result of a trial, at every rung, by the values that the search sees: a trial outside is
    infeasible from then on, so bound quality by what the first rung can reach.
    """

    metric: MetricName
    min: Bound | None = None
    max: Bound | None = None

    @property
    def exact(self) -> bool:
        """Whether the architecture alone says if it is kept."""
        return self.metric in METRICS and METRICS[self.metric].exact

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("give min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} must not exceed max {self.max}")
        return self


class Matched(Document):
    """A comparison at equal cost: every architecture, references too, is brought to `target`, so `metric` explains nothing.

    Parameters and FLOPs are reached by the width of all FFNs, dense or of experts; decode state by the recurrent state size.
    """

    metric: MatchedCost
    target: Annotated[int, Field(ge=1, le=10**15)]
    tolerance: Annotated[float, Field(gt=0, le=0.5)] = 0.02

    @property
    def goal(self) -> Target:
        """The same, for the solver."""
        return Target(self.metric, self.target, self.tolerance)


class Halving(Document):
    """Asynchronous successive halving (arXiv 1810.05934): the best 1/eta of a rung go on to the next.

    With several `brackets` it is Hyperband (arXiv 1603.06560): the trials of bracket s start at rung s and are ranked among
    themselves, so that an architecture which learns slowly has a chance that the lowest rung would not give it.
    """

    eta: Annotated[int, Field(ge=2, le=16)] = 3
    brackets: Annotated[int, Field(ge=1, le=8)] = 1


class Confirmation(Document):
    """The best at the last rung are measured again from scratch, once for each of up to `seeds` fresh seeds.

    The first of a search is partly the luckiest (winner's curse), so its score says too much. Every reference, and as many
    `leaders` as there are, gets two seeds; more go only to those that the seeds so far do not tell apart from the best.
    """

    seeds: Annotated[int, Field(ge=1, le=32)] = 3
    leaders: Annotated[int, Field(ge=1, le=100)] = 5

    @property
    def first(self) -> int:
        """Seeds that everybody gets who is confirmed."""
        return min(2, self.seeds)


class Budget(Document):
    """How much may be spent. `trials` counts distinct architectures that were trained, references not included."""

    trials: Annotated[int, Field(ge=1, le=1_000_000)] = 20
    max_parallel: Annotated[int, Field(ge=1, le=4096)] | None = None
    max_run_seconds: Annotated[float, Field(gt=0, le=604_800)] = 3600.0
    max_consecutive_failures: Annotated[int, Field(ge=1, le=10_000)] = 10


class StudySpec(Document):
    """Everything a study is: submitted once, never changed."""

    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
    space: Space
    protocol: Protocol = Protocol()
    objectives: Annotated[tuple[MetricName, ...], Field(min_length=1, max_length=4)] = ("score",)
    constraints: Annotated[tuple[Constraint, ...], Field(max_length=8)] = ()
    matched: Matched | None = None
    sampler: Sampler = Field(default_factory=default_sampler)
    halving: Halving | None = Halving()
    confirmation: Confirmation | None = None
    references: Annotated[tuple[str, ...], Field(max_length=64)] = ()
    warm_start: WarmStart = WarmStart()
    baselines: Annotated[tuple[Baseline, ...], Field(max_length=8)] = ()
    """Searches with the same budget that run beside this one, each a study of its own: did this one pay?"""
    budget: Budget = Budget()
    cost_at: CostAt = CostAt()
    reuse: bool = False
    """A run that another study of the same owner has measured, by the same protocol, is answered with that result and costs
    nothing. Its seeds are that study's. Fresh seeds are always measured anew."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0

    def given(self, number: int) -> Literal["reference", "warm start"] | None:
        """Where a trial comes from that the search did not propose; None for its own."""
        if number < len(self.references):
            return "reference"
        return "warm start" if number < len(self.references) + len(self.warm_start.params) else None

    @field_validator("name")
    @classmethod
    def _printable(cls, name: str) -> str:
        if name != name.strip() or any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in name):
            raise ValueError("use printable characters, with no space at either end")
        return name

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.objectives)) != len(self.objectives):
            _refuse(("objectives",), f"{_repeated(self.objectives)!r} is listed twice")
        if "score" not in self.objectives:
            _refuse(("objectives",), "must include 'score', which the leaderboard ranks by")
        for index, name in enumerate(self.references):
            if name not in ZOO:
                _refuse(("references", index), f"there is no zoo entry {name[:80]!r}; {_known_references(name)}")
            problem = only_for_tokens(name) if self.protocol.channels else None
            if problem is not None:
                _refuse(("references", index), problem)
        if len(set(self.references)) != len(self.references):
            _refuse(("references",), f"{_repeated(self.references)!r} is listed twice")
        problem = cannot_read(self.space.input, self.protocol.tokens, self.protocol.channels)
        if problem is not None:
            _refuse(("space", "input"), problem)
        return self

    @model_validator(mode="after")
    def _enough_rungs(self) -> Self:
        """Each bracket starts at a rung of its own."""
        n_rungs = len(self.protocol.rungs)
        if self.halving is not None and self.halving.brackets > n_rungs:
            reason = f"bracket s starts at rung s, and the protocol has {n_rungs} of them; ask for at most {n_rungs} brackets"
            _refuse(("halving", "brackets"), reason)
        return self

    @model_validator(mode="after")
    def _reusable(self) -> Self:
        """What was measured elsewhere is no measurement of this study's machines, and no cost of its search."""
        named = [*self.objectives, *(constraint.metric for constraint in self.constraints)]
        problem = next((name for name in named if name in MACHINE_METRICS), None) if self.reuse else None
        if problem is not None:
            reason = f"{problem} depends on the machine, and another study may have had another one; leave one of the two out"
            _refuse(("reuse",), reason)
        if self.reuse and self.baselines:
            reason = (
                "what another study has measured costs nothing here, and baselines are compared at equal cost; leave one out"
            )
            _refuse(("reuse",), reason)
        return self

    @model_validator(mode="after")
    def _accompanied(self) -> Self:
        """Each baseline is another search, and has room for a name."""
        for index, baseline in enumerate(self.baselines):
            if baseline == self.sampler.name:
                _refuse(("baselines", index), f"the study is a {baseline} search itself; leave it out, or take another sampler")
            room = MAX_NAME - len(baseline_name("", baseline))
            if len(self.name) > room:
                _refuse(("name",), f"a study with a {baseline} baseline may have a name of at most {room} characters")
        if len(set(self.baselines)) != len(self.baselines):
            _refuse(("baselines",), f"{_repeated(self.baselines)!r} is listed twice")
        return self

    @model_validator(mode="after")
    def _searchable(self) -> Self:
        """The sampler is made for so many trials and objectives."""
        problem = unsuitable(self.sampler, self.budget.trials, len(self.objectives))
        if problem is not None:
            _refuse(("sampler", "name"), problem)
        return self

    @model_validator(mode="after")
    def _warm(self) -> Self:
        """What comes first is in the space."""
        for index, params in enumerate(self.warm_start.params):
            for problem in self.space.problems(dict(params)):
                # a pointer leads to what the document has, and a missing gene is not in it
                reason = problem.reason if problem.field in dict(params) else f"{problem.field}: {problem.reason}"
                _refuse(("warm_start", "params", index, problem.field), reason)
        return self

    @model_validator(mode="after")
    def _measurable(self) -> Self:
        """Every metric that is named can be measured, and every bound be kept beside the others."""
        places: list[tuple[tuple[str | int, ...], str]] = [
            (("objectives", index), name) for index, name in enumerate(self.objectives)
        ]
        places += [(("constraints", index, "metric"), each.metric) for index, each in enumerate(self.constraints)]
        for place, name in places:
            problem = unmeasurable(name, self.protocol)
            if problem is not None:
                _refuse(place, problem)
        metrics = known(self.protocol)
        for index, each in enumerate(self.constraints):
            problem = unreachable(metrics[each.metric], each.min, each.max)
            if problem is not None:
                _refuse(("constraints", index), problem)
        lowest: dict[str, float] = {}
        highest: dict[str, float] = {}
        for index, each in enumerate(self.constraints):
            low = lowest[each.metric] = max(lowest.get(each.metric, -math.inf), -math.inf if each.min is None else each.min)
            high = highest[each.metric] = min(highest.get(each.metric, math.inf), math.inf if each.max is None else each.max)
            if low > high:
                _refuse(("constraints", index), f"{each.metric} cannot be at least {low:,} and at most {high:,}; loosen one")
        return self

    @model_validator(mode="after")
    def _causal(self) -> Self:
        """No model may see later tokens where a task is causal."""
        problem = reads_ahead(self.space.encoder_mixers, self.protocol.tasks)
        if problem is not None:
            _refuse(("space", "genes", *self.space.genes_with(self.space.encoder_mixers[0])[:1]), problem)
        for index, name in enumerate(self.references):
            if reads_ahead(ZOO[name].build().encoder_mixers, self.protocol.tasks) is not None:
                _refuse(
                    ("references", index), f"{name} is an encoder: it sees later tokens, which the tasks ask for; leave it out"
                )
        return self

    @model_validator(mode="after")
    def _transfers(self) -> Self:
        """With width transfer every model must be one that its rules are known to hold for."""
        if self.protocol.recipe.width_transfer is None:
            return self
        problem = untransferable_gene(self.space)
        if problem is not None:
            _refuse(("space", *problem.field.split("/")), problem.reason)
        for index, name in enumerate(self.references):
            problem = untransferable(ZOO[name].build())
            if problem is not None:
                _refuse(("references", index), f"{name}, {problem.field}: {problem.reason}")
        return self


def baseline_name(name: str, baseline: str) -> str:
    """What the study is called that a study of this name is held against."""
    return f"{name} · {baseline.replace('_', ' ')}"


def _refuse(place: Place, reason: str) -> NoReturn:
    """Raise `pydantic.ValidationError` at a place in the study's document."""
    error = PydanticCustomError("study", "{reason}", {"reason": reason})
    raise ValidationError.from_exception_data("StudySpec", [InitErrorDetails(type=error, loc=place, input=None)])


def _repeated(names: Sequence[str]) -> str:
    return next(name for name in names if names.count(name) > 1)


def _known_references(name: str) -> str:
    close = get_close_matches(name[:80], ZOO, n=1)
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(sorted(ZOO))}"
