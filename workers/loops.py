"""The same weights with another number of loops in evaluation: what accuracy against loops is measured with."""

from collections.abc import Iterator
from contextlib import contextmanager

from workers.model import Model
from workers.model.depth import RoutedCore
from workers.model.loop import LoopedCore


def can_loop(model: Model) -> bool:
    """Whether its core can run any number of loops: it is one that loops, and no router was trained for each of them."""
    core = model.backbone.core
    return isinstance(core, LoopedCore) and not isinstance(core, RoutedCore)


@contextmanager
def looping(model: Model, n_loops: int) -> Iterator[None]:
    """In evaluation its core runs `n_loops` times, as if the architecture's `loop.eval_loops` said so."""
    core = model.backbone.core
    assert isinstance(core, LoopedCore)
    before, core.n_eval_loops = core.n_eval_loops, n_loops
    try:
        yield
    finally:
        core.n_eval_loops = before
