"""Weights of transformers' `deepseek_v3`: latent attention and fine-grained experts.

Kimi-Linear has both under the same names. Their config's n_group and topk_group must be 1. Their latent norms have an epsilon
of 1e-6 whatever the config says.
"""

from collections.abc import Iterator

import numpy as np

from nas.export.huggingface.holds import require
from nas.export.huggingface.llama import channel_rules
from nas.export.huggingface.mixtral import ROUTED, experts, shared_experts
from nas.export.huggingface.model import Family, place
from nas.export.huggingface.rules import Array, Rule, Rules, changed, same
from search_spaces.architecture import Architecture
from search_spaces.primitives.mla import MLA
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.swiglu import SwiGLU

LATENT = ("kind", "n_heads", "kv_rank", "q_rank", "nope_dim", "rope_dim", "value_dim")


def mla_rules(config: MLA) -> Rules:
    """For one attention layer. With rotary positions theirs is DeepSeek-V3's, without Kimi-Linear's."""
    return tuple(_mla_rules(config))


def attention_rules(config: MLA) -> Rules:
    """`MLA` with rotary positions as a DeepseekV3Attention. Raises ValueError for any other."""
    require(config, "deepseek_v3", LATENT)
    return mla_rules(config)


def moe_rules(config: MoE) -> Rules:
    """`MoE` balanced by bias, with shared experts, as a DeepseekV3MoE. Raises ValueError for any other."""
    return biased_moe_rules(config, "deepseek_v3")


def biased_moe_rules(config: MoE, family: str) -> Rules:
    """The experts of `family`, chosen by a sigmoid and a bias."""
    require(config, family, (*ROUTED, "n_shared", "scale"), always={"balance": "bias"})
    router = (same("router.weight", "gate.weight"), same("routing_bias", "gate.e_score_correction_bias"))
    return (*router, *experts(), *shared_experts(config, "shared_experts."))


FAMILY = Family(
    name="deepseek_v3",
    mixers=(place(MLA, "self_attn.", attention_rules),),
    channels=(place(SwiGLU, "mlp.", channel_rules), place(MoE, "mlp.", moe_rules)),
)


def rules(architecture: Architecture) -> Rules:
    """A whole `DeepseekV3ForCausalLM`. Raises ValueError, naming the field, for an architecture that it cannot hold."""
    found = FAMILY.rules(architecture)
    sparse = [isinstance(layer.channel, MoE) for layer in architecture.core]
    if sparse != sorted(sparse):
        raise ValueError("core: in transformers' deepseek_v3 all layers from the first moe on are moe")
    return found


def _mla_rules(config: MLA) -> Iterator[Rule]:
    rotary = config.rope_dim if config.rope else 0
    queries = "q_b_proj.weight" if config.q_rank else "q_proj.weight"
    if config.q_rank:
        yield same("q_down.weight", "q_a_proj.weight")
        yield same("q_norm.weight", "q_a_layernorm.weight")
    yield _with_halves("q_up.weight", queries, config.query_dim, rotary)
    yield _with_halves("kv_down.weight", "kv_a_proj_with_mqa.weight", config.kv_rank + config.rope_dim, rotary)
    yield same("kv_norm.weight", "kv_a_layernorm.weight")
    yield same("kv_up.weight", "kv_b_proj.weight")
    yield same("out_proj.weight", "o_proj.weight")


def _with_halves(ours: str, theirs: str, width: int, rotary: int) -> Rule:
    """Blocks of `width` rows whose last `rotary` turn in pairs: theirs are neighbours, ours are (i, i + rotary / 2)."""
    plain = np.arange(width - rotary)
    pairs = np.arange(width - rotary, width)
    order = np.concatenate([plain, pairs[::2], pairs[1::2]])
    return changed(ours, theirs, lambda array: _rows(array, order), lambda array: _rows(array, np.argsort(order)))


def _rows(weight: Array, order: np.ndarray) -> Array:
    """Every block of rows in another order."""
    return weight.reshape(-1, len(order), weight.shape[1])[:, order].reshape(weight.shape)
