"""The norms around the parts of a model, and how many parameters each has."""

from typing import Literal

NormKind = Literal["rms", "layer", "dyt", "l1"]


def norm_params(kind: NormKind, d_model: int) -> int:
    """Trainable scalars of one norm: a weight for every channel; with layer a bias, with dyt also one factor within tanh."""
    return {"rms": d_model, "layer": 2 * d_model, "dyt": 2 * d_model + 1, "l1": d_model}[kind]
