"""Our samplers by name, one file each. A sampler lives for one ask: all it knows is the seed and the trials told so far."""

from collections.abc import Callable
from typing import Any

from optuna.samplers import BaseSampler

from nas.samplers import Sampler
from nas.sampling import (
    evolution,
    exhaustive,
    gp,
    hypervolume,
    local_search,
    model_guided,
    nsga2,
    nsga3,
    random,
    tpe,
)
from nas.sampling.memory import Memory

SamplerBuilder = Callable[[Any, int, Memory | None], BaseSampler]
"""Makes a sampler for one ask from what the study says of it, a seed and the memory of those that asked before."""

SAMPLERS: dict[str, SamplerBuilder] = {
    "random": random.build,
    "evolution": evolution.build,
    "local_search": local_search.build,
    "model_guided": model_guided.build,
    "hypervolume": hypervolume.build,
    "tpe": tpe.build,
    "nsga2": nsga2.build,
    "nsga3": nsga3.build,
    "gp": gp.build,
    "exhaustive": exhaustive.build,
}


def build(sampler: Sampler, seed: int, memory: Memory | None = None) -> BaseSampler:
    """The sampler a study names, for one ask; `seed` is below 2**32, which NumPy's generator asks for.

    memory: of the samplers that asked before it in the same study, so that it need not read all trials again.
    """
    return SAMPLERS[sampler.name](sampler, seed, memory)
