"""Whether a training has exploded without reaching infinity, from its loss curve alone: a resumed training decides alike."""

from collections.abc import Sequence

from nas.protocol import Explosion
from nas.run import CurvePoint


def exploded(curve: Sequence[CurvePoint], rule: Explosion, *, warmup_steps: int, chance: float) -> bool:
    """The last `rule.points` points, all of them after the warm-up, are above the ceiling, and the last is no way back.

    chance: the loss of guessing (nats per target), 0 where nobody knows it.
    """
    if len(curve) <= rule.points:
        return False
    *_, before = curve[: -rule.points]
    recent = [point.loss for point in curve[-rule.points :]]
    over = min(recent) > ceiling(curve, rule, chance)
    return over and before.step >= warmup_steps and recent[-1] >= recent[0]


def ceiling(curve: Sequence[CurvePoint], rule: Explosion, chance: float) -> float:
    """So many times the loss that a training which has learnt nothing has: its own at the start, or that of guessing.

    A loss below 1 says little about what is large (a mean squared error may start near 0): it counts as 1.
    """
    nothing_learnt = max(curve[0].loss, chance)
    return nothing_learnt + (rule.factor - 1) * max(1.0, nothing_learnt)
