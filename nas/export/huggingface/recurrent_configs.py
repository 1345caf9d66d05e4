"""Configs of the families without attention: mamba, mamba2 and rwkv."""

from nas.export.huggingface import mamba, mamba2, rwkv
from nas.export.huggingface.model_class import EPS, Config, ModelClass, first
from nas.export.huggingface.rules import Rules
from search_spaces.architecture import Architecture
from search_spaces.primitives.mamba import Mamba
from search_spaces.primitives.recurrence import Recurrence
from search_spaces.primitives.rwkv4 import RWKV4
from search_spaces.primitives.rwkv_channel import RWKVChannel


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
    """As `rwkv.rules`, for what their class can be made of: it divides by numbers one below its layers and channels."""
    found, mixer = rwkv.rules(architecture), first(architecture, RWKV4)
    if len(architecture.core) == 1:
        raise ValueError("core: transformers' rwkv has at least two layers")
    if mixer is not None and mixer.channels(architecture.d_model) == 1:
        raise ValueError("width: transformers' rwkv has at least two channels")
    return found


def _rwkv(architecture: Architecture) -> Config:
    mixer, channel = first(architecture, RWKV4), first(architecture, RWKVChannel)
    # the rules ask for both in every layer
    assert mixer is not None
    assert channel is not None
    return {
        "attention_hidden_size": mixer.channels(architecture.d_model),
        "intermediate_size": channel.d_ff,
        # with a state they add every row of a batch to every other
        "use_cache": False,
        "rescale_every": 0,
        "layer_norm_epsilon": EPS,
    }


RECURRENT_CLASSES = (
    ModelClass(family=mamba.FAMILY, class_name="MambaForCausalLM", rules=mamba.rules, sizes=_mamba),
    ModelClass(family=mamba2.FAMILY, class_name="Mamba2ForCausalLM", rules=mamba2.rules, sizes=_mamba2),
    ModelClass(family=rwkv.FAMILY, class_name="RwkvForCausalLM", rules=_rwkv_rules, sizes=_rwkv),
)
