"""More layers from the same ones: the pattern repeated whole (stacking), or every layer repeated in place (stretching).

Composer (arXiv 2510.00379) grows what it finds in few layers both ways. A number of layers that is no multiple of the pattern's
is shared out among the kinds of layers by largest remainders, so that their ratio is the nearest possible.
"""

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from fractions import Fraction

from search_spaces.scaling.target import Growth

STRETCH_FROM = 16
"""Composer stacks patterns of 6 layers and stretches those of 16."""


def default_growth(layers: Sequence[Hashable]) -> Growth:
    """How Composer grows a pattern of this length."""
    return "stack" if pattern_length(layers) < STRETCH_FROM else "stretch"


def pattern_length(layers: Sequence[Hashable]) -> int:
    """Layers of the shortest row whose repetition gives all of them."""
    n = len(layers)
    return next(p for p in range(1, n + 1) if n % p == 0 and all(layers[i] == layers[i - p] for i in range(p, n)))


def whole_steps(sections: Sequence[Sequence[Hashable]], growth: Growth) -> int:
    """Into how many equal steps the depth divides such that at each of them every section has whole patterns only."""
    repeats = (len(layers) // pattern_length(layers) for layers in sections if layers)
    periods = {pattern_length(layers) for layers in sections if layers}
    # layers repeated in place keep the ratio at every step only where they are all alike
    return math.gcd(*repeats) if growth == "stack" or periods == {1} else 1


def share_out(n: int, weights: Sequence[int], least: int = 0) -> tuple[int, ...]:
    """`n` in parts as near to the weights' ratio as whole numbers are, by largest remainders; each weight gets `least`."""
    quotas = [Fraction(n * weight, sum(weights)) for weight in weights]
    parts = [max(least if weight else 0, math.floor(quota)) for quota, weight in zip(quotas, weights, strict=True)]
    by_rest = sorted(range(len(parts)), key=lambda index: parts[index] - quotas[index])
    for index in by_rest[: max(0, n - sum(parts))]:
        parts[index] += 1
    while sum(parts) > n:
        parts[max(range(len(parts)), key=lambda index: parts[index] - quotas[index])] -= 1
    return tuple(parts)


def arrange(layers: Sequence[Hashable], n: int, growth: Growth) -> tuple[int, ...]:
    """Which of the `layers`, by index, stand in the `n` places of the grown section."""
    if n == len(layers):
        return tuple(range(n))
    return _stacked(layers, n) if growth == "stack" else _stretched(layers, n)


def _stacked(layers: Sequence[Hashable], n: int) -> tuple[int, ...]:
    """The pattern whole; then those of its layers that keep the ratio nearest."""
    pattern = layers[: pattern_length(layers)]
    n_whole, _ = divmod(n, len(pattern))
    rest = [total - n_whole for total in _times(pattern, n)]
    return tuple(range(len(pattern))) * n_whole + tuple(index for index, more in enumerate(rest) if more > 0)


def _stretched(layers: Sequence[Hashable], n: int) -> tuple[int, ...]:
    """Every layer in its place, as often as its kind's share of `n` asks, evenly over the layers of the kind."""
    return tuple(index for index, times in enumerate(_times(layers, n)) for _ in range(times))


def _times(layers: Sequence[Hashable], n: int) -> tuple[int, ...]:
    """How often each layer is taken: each kind by its share, and within a kind evenly."""
    counts = Counter(layers)
    totals = dict(zip(counts, share_out(n, tuple(counts.values())), strict=True))
    seen: Counter[Hashable] = Counter()
    times = []
    for layer in layers:
        before, seen[layer] = seen[layer], seen[layer] + 1
        total, count = totals[layer], counts[layer]
        times.append(total * (before + 1) // count - total * before // count)
    return tuple(times)
