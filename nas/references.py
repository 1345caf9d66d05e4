"""The zoo entries a study runs beside its own trials, at the space's scale."""

from search_spaces.allowed import allowed_values
from search_spaces.architecture import Architecture, ContinuousInput, TokenInput
from search_spaces.space import Space
from search_spaces.zoo import ZOO

_OF_MEASUREMENTS = {"mtp": None, "next_latent": None}
"""Heads that train on tokens."""


def build_reference(name: str, space: Space) -> Architecture:
    """The zoo entry at the space's largest width, rounded up to what zoo entries are made for, with its vocabulary.

    In a space of measurements the entry's layers read those, without heads for later tokens; see `only_for_tokens`.
    """
    values = next(values for gene, values in allowed_values(space.mode, space.genes).items() if gene.name == "d_model")
    widest = int(values[-1])
    step = 8 if widest <= 1024 else 64
    d_model = min(8192, -(-widest // step) * step)
    if isinstance(space.input, ContinuousInput):
        return Architecture.model_validate({**dict(ZOO[name].build(d_model)), **_OF_MEASUREMENTS, "input": space.input})
    return ZOO[name].build(d_model, space.input.n_outputs)


def only_for_tokens(name: str) -> str | None:
    """Why a zoo entry cannot read measurements; None when it can."""
    built = ZOO[name].build()
    if not isinstance(built.input, TokenInput) or built.input.rosa:
        return f"{name} is made for tokens, by what it reads; leave it out of studies of measurements"
    return None
