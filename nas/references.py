"""The zoo entries a study runs beside its own trials, at the space's scale."""

from search_spaces.allowed import allowed_values
from search_spaces.architecture import Architecture
from search_spaces.space import Space
from search_spaces.zoo import ZOO


def build_reference(name: str, space: Space) -> Architecture:
    """The zoo entry at the space's largest width, rounded up to what zoo entries are made for, with its vocabulary."""
    values = next(values for gene, values in allowed_values(space.mode, space.genes).items() if gene.name == "d_model")
    widest = int(values[-1])
    step = 8 if widest <= 1024 else 64
    return ZOO[name].build(min(8192, -(-widest // step) * step), space.input.n_outputs)
