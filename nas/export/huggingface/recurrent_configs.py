"""Configs of the families without attention: mamba, mamba2, and rwkv, which can be read but not written."""

from nas.export.huggingface import mamba, mamba2, rwkv
from nas.export.huggingface.form import EPS, Config, Form, first
from nas.export.huggingface.rules import Rules
from search_spaces.architecture import Architecture
from search_spaces.primitives.mamba import Mamba
from search_spaces.primitives.recurrence import Recurrence


def _mamba(architecture: Architecture) -> Config:
    mixer = first(architecture, Mamba)
    # the rules ask for one in every layer
    assert mixer is not None
    return {
        "state_size": mixer.state_size,
        "expand": mixer.expand,
        "conv_kernel": mixer.conv_width,
        "time_step_rank": mixer.rank(architecture.d_model),
        "hidden_act": "silu",
        "use_bias": False,
        "use_conv_bias": True,
        "layer_norm_epsilon": EPS,
    }


def _mamba2(architecture: Architecture) -> Config:
    mixer = first(architecture, Recurrence)
    # the rules ask for one in every layer
    assert mixer is not None
    return {
        "num_heads": mixer.n_heads,
        "head_dim": mixer.value_dim,
        "state_size": mixer.key_dim,
        "n_groups": mixer.n_groups,
        "expand": mixer.inner_width // architecture.d_model,
        "conv_kernel": mixer.conv_width,
        "hidden_act": "silu",
        "use_bias": False,
        "use_conv_bias": True,
        "layer_norm_epsilon": EPS,
    }


def _rwkv_rules(architecture: Architecture) -> Rules:
    """As `rwkv.rules`; then it refuses all the same."""
    rwkv.rules(architecture)
    raise ValueError("input: transformers' rwkv norms its embeddings, and ours are not normed")


def _rwkv(_: Architecture) -> Config:
    return {}


RECURRENT_FORMS = (
    Form(model_type="mamba", class_name="MambaForCausalLM", rules=mamba.rules, sizes=_mamba),
    Form(model_type="mamba2", class_name="Mamba2ForCausalLM", rules=mamba2.rules, sizes=_mamba2),
    Form(model_type="rwkv", class_name="RwkvForCausalLM", rules=_rwkv_rules, sizes=_rwkv),
)
