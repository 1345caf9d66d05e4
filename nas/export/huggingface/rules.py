"""A weight mapping as data: rules that say which of their tensors one of ours is made of, and the way back.

A family's mapping is a tuple of rules. Both directions use the same rules, so what was exported can always be read again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from nas.export.huggingface.exactness import OBJECTIVES

Array = NDArray[np.floating]
Arrays = Mapping[str, Array]
NamedArrays = Iterator[tuple[str, Array]]
"""Tensors on their way, one at a time."""


class UnmappedWeights(ValueError):
    """Tensors that the rules do not account for."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One tensor of ours from some of theirs. `split` undoes `join`."""

    ours: str
    theirs: tuple[str, ...]
    join: Callable[[Sequence[Array]], Array]
    split: Callable[[Array], Sequence[Array]]

    def under(self, ours: str, theirs: str) -> "Rule":
        """The same rule for tensors below these prefixes."""
        return Rule(ours + self.ours, tuple(theirs + name for name in self.theirs), self.join, self.split)


Rules = tuple[Rule, ...]


def same(ours: str, theirs: str) -> Rule:
    """One tensor under another name."""
    return Rule(ours, (theirs,), lambda arrays: arrays[0], lambda array: (array,))


def changed(ours: str, theirs: str, join: Callable[[Array], Array], split: Callable[[Array], Array]) -> Rule:
    """One tensor in another form: `join` makes ours of theirs, `split` theirs of ours."""
    return Rule(ours, (theirs,), lambda arrays: join(arrays[0]), lambda array: (split(array),))


def stacked(ours: str, theirs: Sequence[str], sizes: Sequence[int]) -> Rule:
    """Ours is theirs below one another, `sizes` rows each."""
    ends = [*accumulate(sizes)][:-1]
    return Rule(ours, tuple(theirs), np.concatenate, lambda array: np.split(array, ends))


def zeros(ours: str, shape: tuple[int, ...]) -> Rule:
    """One tensor of ours that theirs has not, because it is zero there. Raises ValueError on the way out if it is not."""

    def split(array: Array) -> Sequence[Array]:
        _require_zero(array, ours)
        return ()

    return Rule(ours, (), lambda _: np.zeros(shape, np.float32), split)


def zero(ours: str, theirs: str) -> Rule:
    """A tensor that both have and that does nothing in ours. Raises ValueError, on both ways, if it is not zero."""

    def checked(array: Array) -> Array:
        _require_zero(array, theirs)
        return array

    return changed(ours, theirs, checked, checked)


def without_bias(rule: Rule) -> Rule:
    """The same rule where each weight of theirs has a bias beside it, which ours has not.

    Raises ValueError on the way in if a bias is not zero.
    """
    n, biases = len(rule.theirs), tuple(f"{name.removesuffix('.weight')}.bias" for name in rule.theirs)

    def join(arrays: Sequence[Array]) -> Array:
        for name, bias in zip(biases, arrays[n:], strict=True):
            _require_zero(bias, name)
        return rule.join(arrays[:n])

    def split(array: Array) -> Sequence[Array]:
        weights = rule.split(array)
        return (*weights, *(np.zeros(len(weight), weight.dtype) for weight in weights))

    return Rule(rule.ours, rule.theirs + biases, join, split)


def copied(rule: Rule, copy: str) -> Rule:
    """The same rule where theirs has our tensor a second time, as `copy`. Raises ValueError on the way in if it differs."""

    def join(arrays: Sequence[Array]) -> Array:
        # a rule that scales has rounded; the copy is as it was
        if not np.allclose(rule.join(arrays[:-1]), arrays[-1], rtol=1e-6, atol=0):
            raise ValueError(f"{copy} differs from {rule.theirs[0]}, and ours are one tensor")
        return arrays[-1]

    return Rule(rule.ours, (*rule.theirs, copy), join, lambda array: (*rule.split(array), array))


def under(rules: Iterable[Rule], ours: str, theirs: str) -> Rules:
    """Rules for tensors below these prefixes."""
    return tuple(rule.under(ours, theirs) for rule in rules)


def from_transformers(rules: Sequence[Rule], theirs: Arrays) -> dict[str, Array]:
    """Our tensors from theirs. Raises `UnmappedWeights` when one is missing or left over."""
    _check(theirs.keys(), {name for rule in rules for name in rule.theirs}, "transformers")
    return {rule.ours: np.ascontiguousarray(rule.join([theirs[name] for name in rule.theirs])) for rule in rules}


def to_transformers(rules: Sequence[Rule], ours: Arrays) -> dict[str, Array]:
    """Their tensors from ours. Raises `UnmappedWeights` when one is missing or left over."""
    return {name: np.ascontiguousarray(array) for name, array in converted(rules, ours)}


def converted(rules: Sequence[Rule], ours: Arrays) -> NamedArrays:
    """Their tensors from ours, one of ours at a time, without what only trains. Raises as `to_transformers` does."""
    _check((name for name in ours if not name.startswith(OBJECTIVES)), {rule.ours for rule in rules}, "our")
    for rule in rules:
        yield from zip(rule.theirs, rule.split(ours[rule.ours]), strict=True)


def _require_zero(array: Array, name: str) -> None:
    if array.any():
        raise ValueError(f"{name} is not zero, and the other side has no such tensor")


def _check(given: Iterable[str], known: set[str], whose: str) -> None:
    found = set(given)
    missing, surplus = sorted(known - found), sorted(found - known)
    if missing or surplus:
        raise UnmappedWeights(f"{whose} weights: missing {missing[:5]}, not mapped {surplus[:5]}")
