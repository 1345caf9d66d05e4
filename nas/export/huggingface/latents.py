"""Latent attention in configs of deepseek_v3 and kimi_linear, and the epsilon of its norms, which no config can say.

Theirs is 1e-6 and ours 1e-5. A norm of x with ours is their norm of r x, r^2 = 1e-6 / 1e-5: so the rows of the projections
that make latents are written r times as large.
"""

import numpy as np

from nas.export.huggingface.model_class import EPS, Config, first
from nas.export.huggingface.rules import NamedArrays
from search_spaces.architecture import Architecture
from search_spaces.primitives.mla import MLA

THEIR_EPS = 1e-6
RATIO = np.float32((THEIR_EPS / EPS) ** 0.5)


def latent_sizes(architecture: Architecture) -> Config:
    """Heads, ranks and channels; one small head where no layer has latent attention."""
    mixer = first(architecture, MLA)
    mixer = mixer or MLA(n_heads=1, kv_rank=1, nope_dim=2, rope_dim=2, value_dim=2)
    return {
        "num_attention_heads": mixer.n_heads,
        "num_key_value_heads": mixer.n_heads,
        "q_lora_rank": mixer.q_rank,
        "kv_lora_rank": mixer.kv_rank,
        "qk_nope_head_dim": mixer.nope_dim,
        "qk_rope_head_dim": mixer.rope_dim,
        "v_head_dim": mixer.value_dim,
    }


def with_their_epsilon(architecture: Architecture, weights: NamedArrays) -> NamedArrays:
    """Their weights for norms with their epsilon."""
    mixer = first(architecture, MLA)
    return weights if mixer is None else _scaled(weights, mixer.kv_rank)


def _scaled(weights: NamedArrays, kv_rank: int) -> NamedArrays:
    for name, array in weights:
        if name.endswith("q_a_proj.weight"):
            yield name, array * RATIO
        elif name.endswith("kv_a_proj_with_mqa.weight"):
            # the rows below the latent's are the rotary key, which has no norm
            yield name, np.concatenate([array[:kv_rank] * RATIO, array[kv_rank:]])
        else:
            yield name, array
