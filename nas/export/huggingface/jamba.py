"""Weights of transformers' `jamba` (JambaMambaMixer) and of the primitive `mamba` with its norms."""

from nas.export.huggingface.mamba import scan_rules
from nas.export.huggingface.rules import Rule, same
from search_spaces.primitives.mamba import Mamba

NORMS = ("dt_layernorm", "b_layernorm", "c_layernorm")


def mixer_rules(config: Mamba) -> tuple[Rule, ...]:
    """`Mamba` with norms as a JambaMambaMixer. Raises ValueError without norms, which jamba cannot leave out."""
    if not config.bcdt_norm:
        raise ValueError("bcdt_norm must be true: transformers' jamba always norms the steps, B and C")
    norms = (same(f"norms.{index}.weight", f"{theirs}.weight") for index, theirs in enumerate(NORMS))
    return (*scan_rules(), *norms)
