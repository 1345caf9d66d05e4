"""Weights of transformers' `qwen3_next`: gated attention, Gated DeltaNet, experts beside a gated shared one.

All norms but DeltaNet's are zero-centred: they multiply by 1 + w.
"""

from collections.abc import Sequence

import numpy as np

from nas.export.huggingface.holds import require
from nas.export.huggingface.llama import HEADS, channel_rules
from nas.export.huggingface.mixtral import ROUTED, experts, no_routing_bias
from nas.export.huggingface.model import Family, place
from nas.export.huggingface.qwen2_moe import maybe_gated, open_gates
from nas.export.huggingface.recurrences import reordered, require_member, rows_of
from nas.export.huggingface.rules import Array, Rule, Rules, changed, same
from search_spaces.architecture import Architecture
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.recurrence import Recurrence
from search_spaces.primitives.swiglu import SwiGLU


def attention_rules(config: Attention) -> Rules:
    """`Attention` with an output gate and q/k norms as a Qwen3NextAttention. Raises ValueError for any other."""
    require(config, "qwen3_next", (*HEADS, "rotary_fraction"), always={"qk_norm": True, "output_gate": True})
    norms = (rule for name in ("q_norm", "k_norm") for rule in zero_centred(name, name))
    return (_projections(config), same("out_proj.weight", "o_proj.weight"), *norms)


def linear_attention_rules(config: Recurrence) -> Rules:
    """For one Gated DeltaNet. Raises ValueError for another member of the family, or writes stronger than 1."""
    require_member(config, "qwen3_next", "gdn", beta_scale=1)
    groups, shared = config.n_groups, config.n_heads // config.n_groups
    values, keys = shared * config.value_dim, config.key_dim
    # theirs keeps the query, key, values and gates of each key head together, and likewise its betas and steps
    mixed = rows_of(groups * [keys, keys, values, values] + groups * [shared, shared])
    q, k, v, gate = (np.concatenate(mixed[part : 4 * groups : 4]) for part in range(4))
    beta, steps = (np.concatenate(mixed[4 * groups + part :: 2]) for part in range(2))
    sizes = [len(q) + len(k) + len(v) + len(gate), 2 * config.n_heads]
    order = np.concatenate([q, k, v, gate, steps, beta])
    return (
        reordered("in_proj.weight", ["in_proj_qkvz.weight", "in_proj_ba.weight"], sizes, order),
        same("conv.weight", "conv1d.weight"),
        same("decay.log_rate_H", "A_log"),
        same("decay.step_bias_H", "dt_bias"),
        same("norm.weight", "norm.weight"),
        same("out_proj.weight", "out_proj.weight"),
    )


def moe_rules(config: MoE) -> Rules:
    """`MoE` balanced by a loss with shared experts as a Qwen3NextSparseMoeBlock. Raises ValueError for any other."""
    require(config, "qwen3_next", (*ROUTED, "n_shared", "shared_gate"))
    return (same("router.weight", "gate.weight"), *no_routing_bias(config), *experts(), *maybe_gated(config))


def zero_centred(ours: str, theirs: str) -> Rules:
    """A norm that multiplies by 1 + w in theirs and by the weight in ours.

    No bit of ours is lost on the way out and back from a half up; of theirs, those too small beside 1.
    """
    return (changed(f"{ours}.weight", f"{theirs}.weight", lambda theirs: 1 + theirs, lambda ours: ours - 1),)


def _projections(config: Attention) -> Rule:
    """Theirs keeps each head's query and gate together; ours all queries, then all gates."""
    head_dim, inner = config.head_dim, config.n_heads * config.head_dim
    kv = config.n_kv_heads * head_dim

    def join(theirs: Sequence[Array]) -> Array:
        heads = theirs[0].reshape(config.n_heads, 2, head_dim, -1)
        return np.concatenate([heads.swapaxes(0, 1).reshape(2 * inner, -1), *theirs[1:]])

    def split(ours: Array) -> Sequence[Array]:
        q_gate, k, v = np.split(ours, [2 * inner, 2 * inner + kv])
        return q_gate.reshape(2, config.n_heads, head_dim, -1).swapaxes(0, 1).reshape(2 * inner, -1), k, v

    return Rule("in_proj.weight", tuple(f"{name}_proj.weight" for name in "qkv"), join, split)


FAMILY = Family(
    name="qwen3_next",
    adds=open_gates,
    mixers=(
        place(Recurrence, "linear_attn.", linear_attention_rules, called="gdn"),
        place(Attention, "self_attn.", attention_rules),
    ),
    channels=(place(SwiGLU, "mlp.", channel_rules), place(MoE, "mlp.", moe_rules)),
    norm_rules=zero_centred,
)


def rules(architecture: Architecture) -> Rules:
    """A whole `Qwen3NextForCausalLM`. Raises ValueError, naming the field, for an architecture that it cannot hold."""
    return FAMILY.rules(architecture)
