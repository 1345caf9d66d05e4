"""Weights of transformers' `kimi_linear`: delta attention (`kda`), latent attention without positions, DeepSeek-V3's experts.

Their config's n_group and topk_group must be 1. Their latent norms have an epsilon of 1e-6 whatever the config says.
"""

from nas.export.huggingface.deepseek_v3 import LATENT, biased_moe_rules, mla_rules
from nas.export.huggingface.holds import require
from nas.export.huggingface.llama import channel_rules
from nas.export.huggingface.model import Family, place
from nas.export.huggingface.recurrences import require_member
from nas.export.huggingface.rules import Rules, changed, same, stacked
from search_spaces.architecture import Architecture
from search_spaces.primitives.mla import MLA
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.recurrence import Recurrence
from search_spaces.primitives.swiglu import SwiGLU

RENAMED = {
    "conv.weight": "conv1d.weight",
    "decay.step.down.weight": "forget_gate.f_a_proj.weight",
    "decay.step.up.weight": "forget_gate.f_b_proj.weight",
    "gate.down.weight": "g_a_proj.weight",
    "gate.up.weight": "g_b_proj.weight",
    "norm.weight": "o_norm.weight",
    "out_proj.weight": "o_proj.weight",
}


def linear_attention_rules(config: Recurrence) -> Rules:
    """For one Kimi Delta Attention. Raises ValueError unless keys, values and both ranks have one size and no head shares."""
    size = config.key_dim
    equal = {"value_dim": size, "decay_rank": size, "gate_rank": size}
    require_member(config, "kimi_linear", "kda", n_groups=config.n_heads, beta_scale=1, **equal)
    heads, keys = config.n_heads, config.keys_width
    names = [f"{name}_proj.weight" for name in "qkvb"]
    return (
        stacked("in_proj.weight", names, [keys, keys, config.inner_width, heads]),
        changed("decay.log_rate_G", "forget_gate.A_log", lambda x: x.reshape(heads), lambda x: x.reshape(1, 1, heads, 1)),
        changed("decay.step_bias_GK", "forget_gate.dt_bias", lambda x: x.reshape(heads, size), lambda x: x.reshape(keys)),
        *(same(ours, theirs) for ours, theirs in RENAMED.items()),
    )


def attention_rules(config: MLA) -> Rules:
    """`MLA` without positions as a KimiLinearAttention. Raises ValueError for any other."""
    require(config, "kimi_linear", LATENT, always={"rope": False})
    return mla_rules(config)


def moe_rules(config: MoE) -> Rules:
    """`MoE` balanced by bias, with shared experts, as a KimiLinearMoE. Raises ValueError for any other."""
    return biased_moe_rules(config, "kimi_linear")


FAMILY = Family(
    name="kimi_linear",
    mixers=(place(Recurrence, "self_attn.", linear_attention_rules, called="kda"), place(MLA, "self_attn.", attention_rules)),
    channels=(place(SwiGLU, "mlp.", channel_rules), place(MoE, "mlp.", moe_rules)),
    ties=False,
)


def rules(architecture: Architecture) -> Rules:
    """A whole `KimiLinearForCausalLM`. Raises ValueError, naming the field, for an architecture that it cannot hold."""
    return FAMILY.rules(architecture)
