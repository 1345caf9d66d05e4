"""Random search: the baseline every other sampler has to beat at the same cost (arXiv 1902.07638)."""

from optuna.samplers import BaseSampler, RandomSampler

from nas.study import Sampler


def build(_: Sampler, seed: int) -> BaseSampler:
    """Every gene uniformly over its values, whatever came before."""
    return RandomSampler(seed=seed)
