"""How many assignments a space has, exactly and without enumerating them.

One walk down the catalogue counts how many assignments lead to the same facts, and forgets facts that no gene below asks for.
Facts are the bits of a number: many mixers, each with knobs of its own, have very many sets of them.
"""

from collections import Counter
from collections.abc import Mapping

from search_spaces.allowed import Values
from search_spaces.genes import Facts, Gene

MAX_STEPS = 500_000
"""Well below a second of work."""

State = tuple[int, int]
"""Depth, as in `Facts`, and the bits of the known facts."""


class Uncountable(ValueError):
    """There are too many sets of facts."""


def count_assignments(catalogue: Mapping[Gene, Values]) -> int:
    """Assignments of allowed values to active genes. Raises `Uncountable` instead of taking more than `MAX_STEPS`."""
    bits = {fact: 1 << at for at, fact in enumerate(sorted({gene.needs for gene in catalogue if gene.needs}))}
    reached, n_steps = Counter({(0, 0): 1}), 0
    for (gene, values), asked in zip(catalogue.items(), _asked_below(catalogue, bits), strict=True):
        depths = {depth for depth, _ in reached}
        meanings = {depth: _meanings(gene, values, depth, bits, asked) for depth in depths}
        n_steps += sum(len(meanings[depth]) for depth, _ in reached)
        if n_steps > MAX_STEPS:
            raise Uncountable(f"more than {MAX_STEPS:,} sets of facts")
        reached = _advance(reached, bits.get(gene.needs, 0), meanings, asked)
    return reached.total()


def _asked_below(catalogue: Mapping[Gene, Values], bits: Mapping[str, int]) -> list[int]:
    """For each gene, the facts that genes below it ask for, where their answer can make a difference."""
    asked, below = 0, []
    for gene, values in reversed(list(catalogue.items())):
        below.append(asked)
        if gene.needs and (len(values) > 1 or gene.learn):
            asked |= bits[gene.needs]
    return below[::-1]


def _meanings(gene: Gene, values: Values, depth: int, bits: Mapping[str, int], asked: int) -> Counter[State]:
    """How many of the values lead to which depth and add which facts; the gene is passed over where it is not of any layer."""
    if not gene.within(depth):
        return Counter({(depth, 0): 1})
    found: Counter[State] = Counter()
    for value, count in gene.kinds(values):
        learnt = gene.learn(Facts(depth=depth), value) if gene.learn else Facts(depth=depth)
        found[learnt.depth, asked & sum(bits.get(fact, 0) for fact in learnt.known)] += count
    return found


def _advance(reached: Counter[State], needed: int, meanings: Mapping[int, Counter[State]], asked: int) -> Counter[State]:
    """How many assignments of the genes so far, and one more, lead to which facts."""
    after: Counter[State] = Counter()
    for (depth, known), count in reached.items():
        kept = known & asked
        if known & needed != needed:
            after[depth, kept] += count
            continue
        for (learnt_depth, learnt), n_values in meanings[depth].items():
            after[learnt_depth, kept | learnt] += count * n_values
    return after
