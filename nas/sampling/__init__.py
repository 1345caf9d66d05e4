"""Our samplers by name, one file each. A sampler lives for one ask: all it knows is the seed and the trials told so far."""

from collections.abc import Callable

from optuna.samplers import BaseSampler

from nas.sampling import nsga2, random, tpe
from nas.study import Sampler

SAMPLERS: dict[str, Callable[[Sampler, int], BaseSampler]] = {
    "random": random.build,
    "tpe": tpe.build,
    "nsga2": nsga2.build,
}


def build(sampler: Sampler, seed: int) -> BaseSampler:
    """The sampler a study names, for one ask; `seed` is below 2**32, which NumPy's generator asks for."""
    return SAMPLERS[sampler.name](sampler, seed)
