"""A space: which architectures a study may propose, as a document that restricts the catalogue of genes.

A valid space has no impossible member: every assignment of allowed values to active genes builds an architecture. A
gene with one value is settled, so a member's `params` name only the genes that left a choice.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice
from random import Random
from typing import Annotated, Protocol, Self

from pydantic import Field, model_validator

from search_spaces.allowed import Allowed, GeneValues, Values, allowed_values, parse_genes, refuse
from search_spaces.architecture import Architecture, Input, TokenInput
from search_spaces.bounds import oversized, params_bound
from search_spaces.catalogue import MIXERS
from search_spaces.counting import Uncountable, count_assignments
from search_spaces.decoding import decode
from search_spaces.document import Document
from search_spaces.feasibility import impossible, mixer_names
from search_spaces.genes import Facts, Gene, GeneValue, Mode, listed, shown
from search_spaces.options.option import Assignment
from search_spaces.primitives import Problem

MAX_GENES = 256
"""More than a mode has."""

Params = dict[str, GeneValue]
Choose = Callable[[Gene, Values], GeneValue]


class Suggester(Protocol):
    """What a space asks of an Optuna trial."""

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        """One of low, low + step, ..., high."""

    def suggest_categorical(self, name: str, choices: Sequence[GeneValue]) -> GeneValue | None:
        """One of the choices."""


class OutsideSpace(ValueError):
    """Params that are no member's; `problems` say why."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(f"{problem.field}: {problem.reason}" for problem in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Reach:
    """Facts that some assignment makes true, genes that some assignment decides, and genes with a choice that none makes."""

    possible: frozenset[str]
    decided: tuple[tuple[Gene, Values], ...]
    never_decided: tuple[Gene, ...]


class Space(Document):
    """Allowed values for genes of one mode's catalogue; a gene left out is settled at the catalogue's default.

    In micro mode `layer*.mixer` and `layer*.channel` hold for every position that is not named itself.
    """

    name: Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9][A-Za-z0-9 _.:-]*$")]
    mode: Mode = "macro"
    input: Input = TokenInput()
    genes: Annotated[Mapping[str, GeneValues], Field(min_length=1, max_length=MAX_GENES)]

    @model_validator(mode="after")
    def _buildable(self) -> Self:
        """Bring the values into one form, then refuse a space that could propose an impossible architecture."""
        object.__setattr__(self, "genes", parse_genes(self.mode, self.genes))
        refuse(_never_decided(self._reach))
        refuse(impossible(self._allowed, self._reach.possible, self.input))
        refuse(oversized(self._allowed, self._params_bound))
        refuse(self._uncountable())
        return self

    @cached_property
    def _catalogue(self) -> dict[Gene, Values]:
        """Every gene in the order of decision, with its allowed values."""
        return allowed_values(self.mode, self.genes)

    @cached_property
    def _allowed(self) -> Allowed:
        return {gene.name: values for gene, values in self._catalogue.items()}

    @cached_property
    def _reach(self) -> Reach:
        """One walk with all assignments at once, told apart by depth only: exact, as no gene needs two facts."""
        known, decided, never_decided = {0: frozenset[str]()}, list[tuple[Gene, Values]](), list[Gene]()
        for gene, values in self._catalogue.items():
            acting = [facts for facts in map(Facts, known.values(), known) if gene.active(facts)]
            if acting:
                decided.append((gene, values))
            elif len(values) > 1:
                never_decided.append(gene)
            for learnt in _learnt(gene, acting, values):
                known[learnt.depth] = known.get(learnt.depth, frozenset()) | learnt.known
        possible = frozenset().union(*known.values())
        return Reach(possible=possible, decided=tuple(decided), never_decided=tuple(never_decided))

    def _uncountable(self) -> Iterator[Problem]:
        try:
            self._size  # noqa: B018 # counted once, here
        except Uncountable:
            reason = "the layers may combine so many mixers with knobs of their own that the assignments cannot be counted"
            yield Problem("depth", f"{reason}; allow fewer layers or fewer mixers, or settle knobs that only some mixers have")

    @cached_property
    def _size(self) -> int:
        return count_assignments(self._catalogue)

    def size(self) -> int:
        """Exact number of assignments. Some may be the same architecture: ratio 0 at any placement, for one."""
        return self._size

    @property
    def mixers(self) -> tuple[str, ...]:
        """Words of the mixers that some member has."""
        return tuple(sorted(mixer_names(self._allowed) & self._reach.possible & MIXERS.keys()))

    @property
    def encoder_mixers(self) -> tuple[str, ...]:
        """Those that see later tokens; none when every member is causal."""
        return tuple(name for name in self.mixers if not MIXERS[name].causal)

    def genes_with(self, mixer: str) -> tuple[str, ...]:
        """The genes of the document that allow this mixer, alone or beside attention."""
        words = {gene: values for gene, values in self.genes.items() if isinstance(values, tuple)}
        return tuple(gene for gene, values in words.items() if any(mixer in str(value).split("+") for value in values))

    def params_bound(self) -> int:
        """No member has more parameters."""
        return self._params_bound

    @cached_property
    def _params_bound(self) -> int:
        return params_bound(self._allowed, self._reach.possible, self.input)

    def suggest(self, trial: Suggester) -> Params:
        """Let an Optuna trial decide every gene that leaves a choice."""
        return self._params(self._decide(partial(_suggest, trial)))

    def sample(self, rng: Random) -> Params:
        """Decide gene by gene, each value of an active gene equally likely."""
        return self._params(self._decide(lambda _, values: rng.choice(values)))

    def build(self, params: Params) -> Architecture:
        """The member with these params. Raises `OutsideSpace` when there is none."""
        return decode(self._assignment(params), self.mode, self.input)

    def contains(self, params: Params) -> bool:
        """Whether some assignment has exactly these params."""
        return not self.problems(params)

    def problems(self, params: Params) -> tuple[Problem, ...]:
        """Why params are outside the space; empty when they are a member's."""
        try:
            self._assignment(params)
        except OutsideSpace as outside:
            return outside.problems
        return ()

    def assignment(self, params: Params) -> Params:
        """The value of every active gene of a member, settled ones too. Raises `OutsideSpace`."""
        return dict(self._assignment(params))

    def params_of(self, assignment: Params) -> Params:
        """The params of the member with this assignment, which another space may have made. Raises `OutsideSpace`."""
        here = self._decide(partial(_read, assignment))
        settled = (
            Problem(name, f"settled at {shown(value)} in this space, and not there")
            for name, value in here.items()
            if assignment.get(name) != value
        )
        problems = tuple(islice(settled, 8))
        if problems:
            raise OutsideSpace(*problems)
        return self._params(here)

    def _decide(self, choose: Choose) -> Assignment:
        """The one walk: a value for every active gene, settled or chosen."""
        facts, assignment = Facts(), {}
        for gene, values in self._reach.decided:
            if gene.active(facts):
                value = values[0] if len(values) == 1 else choose(gene, values)
                facts = gene.learn(facts, value) if gene.learn else facts
                assignment[gene.name] = value
        return assignment

    def _params(self, assignment: Assignment) -> Params:
        return {name: value for name, value in assignment.items() if len(self._allowed[name]) > 1}

    def _assignment(self, params: Params) -> Assignment:
        assignment = self._decide(partial(_read, params))
        surplus = sorted(params.keys() - self._params(assignment).keys())
        if surplus:
            raise OutsideSpace(*(Problem(name[:80], self._why_surplus(name)) for name in surplus[:8]))
        return assignment

    def _why_surplus(self, name: str) -> str:
        if name not in self._allowed:
            return "no such gene in this space; leave it out"
        if len(self._allowed[name]) == 1:
            return f"settled at {shown(self._allowed[name][0])} in this space; leave it out"
        condition = next(gene.condition for gene in self._catalogue if gene.name == name)
        return f"not active here, because it is not so that {condition}; leave it out"


def _never_decided(reach: Reach) -> Iterator[Problem]:
    """A choice that no assignment makes would look searched and not be."""
    for gene in reach.never_decided:
        yield Problem(gene.name, f"never decided: it is never so that {gene.condition}; leave it out")


def _learnt(gene: Gene, acting: Sequence[Facts], values: Values) -> Iterator[Facts]:
    if gene.learn:
        yield from (gene.learn(facts, value) for facts in acting for value, _ in gene.kinds(values))


def _suggest(trial: Suggester, gene: Gene, values: Values) -> GeneValue:
    if isinstance(values, range):
        return trial.suggest_int(gene.name, values.start, values[-1], step=values.step)
    value = trial.suggest_categorical(gene.name, values)
    return values[values.index(value)]


def _read(params: Params, gene: Gene, values: Values) -> GeneValue:
    """The value params give a gene. Raises `OutsideSpace`."""
    if gene.name not in params:
        raise OutsideSpace(Problem(gene.name, f"missing; allowed: {listed(values)}"))
    try:
        value = gene.limits.parse(params[gene.name])
    except ValueError as error:
        raise OutsideSpace(Problem(gene.name, str(error))) from error
    if value not in values:
        raise OutsideSpace(Problem(gene.name, f"{shown(value)} is not allowed here; allowed: {listed(values)}"))
    return value
