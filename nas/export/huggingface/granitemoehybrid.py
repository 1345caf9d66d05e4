"""Weights of transformers' `granitemoehybrid` and of our parts; its Mamba-2 mixer is that of `bamba` too."""

from nas.export.huggingface.mamba2 import mamba2_rules
from nas.export.huggingface.recurrences import require_member
from nas.export.huggingface.rules import Rule
from search_spaces.primitives.recurrence import Recurrence


def mixer_rules(config: Recurrence) -> tuple[Rule, ...]:
    """For one Mamba-2 mixer without projection biases. Raises ValueError for another member of the family."""
    require_member(config, "granitemoehybrid", "mamba2")
    return mamba2_rules(config)
