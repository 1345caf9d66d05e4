"""What the families with a linear recurrence share: which member they hold, and one tensor from rows in another order."""

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from nas.export.huggingface.rules import Array, Rule
from search_spaces.primitives.recurrence import Recurrence

Rows = NDArray[np.intp]


def require_member(config: Recurrence, family: str, member: str, **sizes: int) -> None:
    """Raises ValueError unless the config is that member of the recurrence family, with these sizes where any are given."""
    if config.member != member:
        raise ValueError(f"{config.label()}: transformers' {family} holds {member} only")
    for name, size in sizes.items():
        if getattr(config, name) != size:
            raise ValueError(f"{name} must be {size} for transformers' {family}, not {getattr(config, name)}")


def rows_of(sizes: Sequence[int]) -> list[Rows]:
    """The rows of blocks of these sizes that lie below one another."""
    ends = [*accumulate(sizes)]
    return [np.arange(end - size, end) for size, end in zip(sizes, ends, strict=True)]


def reordered(ours: str, theirs: Sequence[str], sizes: Sequence[int], order: Rows) -> Rule:
    """Our row i is row `order[i]` of theirs below one another, `sizes` rows each."""
    ends, back = [*accumulate(sizes)][:-1], np.argsort(order)

    def join(arrays: Sequence[Array]) -> Array:
        return np.concatenate(arrays)[order]

    def split(array: Array) -> Sequence[Array]:
        return np.split(array[back], ends)

    return Rule(ours, tuple(theirs), join, split)
