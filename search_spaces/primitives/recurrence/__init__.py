"""The linear recurrence family: `Recurrence`, the config of all of it, and a preset for each published member."""

from search_spaces.primitives.recurrence.config import Recurrence
from search_spaces.primitives.recurrence.presets import (
    deltanet,
    gated_deltanet,
    gla,
    hgrn2,
    kda,
    lightning,
    linear_attention,
    mamba2,
    mlstm,
    performer,
    retnet,
)

__all__ = [
    "Recurrence",
    "deltanet",
    "gated_deltanet",
    "gla",
    "hgrn2",
    "kda",
    "lightning",
    "linear_attention",
    "mamba2",
    "mlstm",
    "performer",
    "retnet",
]
