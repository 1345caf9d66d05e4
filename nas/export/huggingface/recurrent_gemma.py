"""Weights of transformers' `recurrent_gemma` (RecurrentGemmaRecurrentBlock) and of the primitive `rg_lru`."""

from nas.export.huggingface.rules import Rule, changed, same
from search_spaces.primitives.rg_lru import RGLRU

PROJECTIONS = {"gate_proj": "linear_y", "in_proj": "linear_x", "out_proj": "linear_out", "conv": "conv_1d"}
GATES = {"input_gate": "rg_lru.input_gate", "decay_gate": "rg_lru.recurrent_gate"}


def mixer_rules(config: RGLRU) -> tuple[Rule, ...]:
    """`RGLRU` as a recurrent block, whose num_attention_heads are the blocks and whose lru_width is the width."""
    kinds = ("weight", "bias")
    projections = (same(f"{ours}.{kind}", f"{theirs}.{kind}") for ours, theirs in PROJECTIONS.items() for kind in kinds)
    return (*projections, same("rate", "rg_lru.recurrent_param"), *_gate_rules(config.n_blocks))


def _gate_rules(n_blocks: int) -> tuple[Rule, ...]:
    """Their biases have a row for each block."""
    weights = (same(f"{ours}.weight", f"{theirs}_weight") for ours, theirs in GATES.items())
    biases = (
        changed(f"{ours}.bias", f"{theirs}_bias", lambda theirs: theirs.reshape(-1), lambda ours: ours.reshape(n_blocks, -1))
        for ours, theirs in GATES.items()
    )
    return (*weights, *biases)
