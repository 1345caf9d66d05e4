"""Weights of transformers' `recurrent_gemma`: Griffin's recurrent block (`rg_lru`), attention in a window, a GELU gate.

Theirs multiplies embeddings by sqrt(d_model), rounded to bfloat16, which our table takes in; so the head must be another one.
It multiplies by 1 + w in norms, has biases where ours has none (they must be 0), and caps logits: `logits_soft_cap` must be so
large that it does nothing, such as 1e6. Its intermediate_size is twice the hidden width.
"""

import math

from nas.export.huggingface.holds import require
from nas.export.huggingface.llama import HEADS, feed_forward, projections
from nas.export.huggingface.model import EMBEDDING, Family, place
from nas.export.huggingface.qwen3_next import zero_centred
from nas.export.huggingface.rules import Rule, Rules, changed, same, without_bias
from search_spaces.architecture import Architecture
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.rg_lru import RGLRU
from search_spaces.primitives.swiglu import SwiGLU

PROJECTIONS = {"gate_proj": "linear_y", "in_proj": "linear_x", "out_proj": "linear_out", "conv": "conv_1d"}
GATES = {"input_gate": "rg_lru.input_gate", "decay_gate": "rg_lru.recurrent_gate"}


def mixer_rules(config: RGLRU) -> Rules:
    """`RGLRU` as a recurrent block, whose num_attention_heads are the blocks and whose lru_width is the width."""
    kinds = ("weight", "bias")
    projections = (same(f"{ours}.{kind}", f"{theirs}.{kind}") for ours, theirs in PROJECTIONS.items() for kind in kinds)
    return (*projections, same("rate", "rg_lru.recurrent_param"), *_gate_rules(config.n_blocks))


def _gate_rules(n_blocks: int) -> Rules:
    """Their biases have a row for each block."""
    weights = (same(f"{ours}.weight", f"{theirs}_weight") for ours, theirs in GATES.items())
    biases = (
        changed(f"{ours}.bias", f"{theirs}_bias", lambda theirs: theirs.reshape(-1), lambda ours: ours.reshape(n_blocks, -1))
        for ours, theirs in GATES.items()
    )
    return (*weights, *biases)


def attention_rules(config: Attention) -> Rules:
    """`Attention` in a window, rotary in part of its channels, as a RecurrentGemmaAttention without bias."""
    require(config, "recurrent_gemma", (*HEADS, "window", "rotary_fraction"))
    if config.window is None:
        raise ValueError("window: transformers' recurrent_gemma always has one")
    joined, output = projections(config)
    return joined, without_bias(output)


def channel_rules(config: SwiGLU) -> Rules:
    """`SwiGLU` with GELU as a RecurrentGemmaMlp without biases. Raises ValueError for any other."""
    require(config, "recurrent_gemma", ("kind", "d_ff"), always={"activation": "gelu"})
    return tuple(without_bias(rule) for rule in feed_forward(config.d_ff))


def _scaled_embedding(theirs: str, d_model: int) -> Rule:
    """The table times sqrt(d_model), of which bfloat16 keeps 8 bits."""
    mantissa, exponent = math.frexp(math.sqrt(d_model))
    scale = math.ldexp(round(mantissa * 256) / 256, exponent)
    return changed(EMBEDDING, theirs, lambda theirs: theirs * scale, lambda ours: ours / scale)


FAMILY = Family(
    name="recurrent_gemma",
    adds=lambda _: "biases of projections",
    mixers=(place(RGLRU, "temporal_block.", mixer_rules), place(Attention, "temporal_block.", attention_rules)),
    channels=(place(SwiGLU, "mlp_block.", channel_rules),),
    last_norm="model.final_norm",
    mixer_norm="temporal_pre_norm",
    channel_norm="channel_pre_norm",
    ties=False,
    norm_rules=zero_centred,
    embedding_rule=_scaled_embedding,
)


def rules(architecture: Architecture) -> Rules:
    """A whole `RecurrentGemmaForCausalLM`. Raises ValueError, naming the field, for an architecture that it cannot hold.

    Theirs has one number for attention's heads and the gates' blocks, and heads that fill d_model.
    """
    found, parts = FAMILY.rules(architecture), [part for _, part in architecture.parts()]
    heads = {part.n_heads for part in parts if isinstance(part, Attention)}
    blocks = {part.n_blocks for part in parts if isinstance(part, RGLRU)}
    if len(heads | blocks) > 1:
        raise ValueError(f"n_blocks {blocks}: transformers' recurrent_gemma has as many as attention has heads, {heads}")
    if any(part.n_heads * part.head_dim != architecture.d_model for part in parts if isinstance(part, Attention)):
        raise ValueError("head_dim must be d_model / n_heads: transformers' recurrent_gemma has no other")
    return found
