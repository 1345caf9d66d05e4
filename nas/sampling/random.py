"""Random search: the baseline every other sampler has to beat at the same cost (arXiv 1902.07638)."""

from optuna.samplers import BaseSampler, RandomSampler

from nas import samplers
from nas.sampling.memory import Memory


def build(_: samplers.RandomSearch, seed: int, __: Memory | None = None) -> BaseSampler:
    """Every gene uniformly over its values, whatever came before."""
    return RandomSampler(seed=seed)
