"""Named spaces, each a good first study of one question."""

from collections.abc import Callable

from search_spaces.catalogue import ATTENTION_MIXERS, LINEAR_MIXERS, MIXERS
from search_spaces.genes import GeneValue
from search_spaces.options.channels import OPTIONS as CHANNELS
from search_spaces.options.composition import FUSIONS
from search_spaces.options.recurrence import DECAYS
from search_spaces.space import Space


def hybrid_ratio() -> Space:
    """How much attention, where, and beside which linear mixer?"""
    return Space(
        name="hybrid_ratio",
        genes={
            "d_model": (64,),
            "depth": (8,),
            "placement": ("interleaved", "bottom", "middle", "top"),
            # none, 1:7, 1:3, 1:1, 3:1 and all attention
            "attention_ratio": (0.0, 0.125, 0.25, 0.5, 0.75, 1.0),
            "fusion": ("serial", "parallel_add", "parallel_norm_mean"),
            "linear_mixer": ("mamba2", "retnet", "gla", "deltanet", "gated_deltanet", "kda", "rwkv7", "short_conv"),
            "n_kv_heads": (1, 2, "all"),
            "state_size": (8, 16, 32),
        },
    )


def routing_granularity() -> Space:
    """Dense, coarse, fine-grained or shared experts, single neurons, or whole layers skipped, at the same width per token?"""
    return Space(
        name="routing_granularity",
        genes={
            "d_model": (64,),
            "depth": (4,),
            "attention_ratio": (0.5,),
            "linear_mixer": ("gated_deltanet",),
            "channel": ("dense", "moe", "moe_fine", "moe_shared", "switch"),
            "active_neurons": (0.25, 0.5, 1.0),
            "moe_period": (1, 2),
            "ffn_ratio": (2.0, 4.0),
            "n_experts": (4, 8, 16),
            "top_k": (1, 2),
            "granularity": (2, 4),
            "n_shared": (1,),
            "n_zero": (0, 2),
            "balance": ("loss", "bias"),
            "token_capacity": (0.5, 1.0),
        },
    )


def loop_depth() -> Space:
    """Weights of their own, or the same weights again, and for which tokens?"""
    return Space(
        name="loop_depth",
        genes={
            "d_model": (64,),
            "depth": (3, 4, 6),
            "attention_ratio": (0.0, 0.25, 0.5, 1.0),
            "linear_mixer": ("mamba2", "gated_deltanet"),
            "n_loops": (1, 2, 3, 4),
            "n_prelude": (0, 1),
            "n_coda": (0, 1),
            "injection": ("none", "add", "concat"),
            "loop_norm": (False, True),
            "step_embedding": (False, True),
            "loop_depth": ("fixed", "token_choice", "expert_choice", "halting"),
            "loop_kv": ("own", "first"),
            "loop_window": (0, 16),
        },
    )


def recall_state() -> Space:
    """How much can be recalled from how small a state? For the objectives score and state_bytes."""
    return Space(
        name="recall_state",
        genes={
            "d_model": (64,),
            "depth": (2, 4),
            "attention_ratio": (0.0, 0.25, 0.5, 1.0),
            "linear_mixer": ("linear_attention", "mamba2", "gla", "gated_deltanet", "mlstm", "short_conv"),
            "linear_heads": (1, 4),
            # per head 2 to 256 rows: from below a window of a few tokens to above attention over a short context
            "state_size": (2, 4, 8, 16, 32, 64, 128, 256),
            "window": (0, 4, 16, 64),
            "n_kv_heads": (1, "all"),
        },
    )


def low_bit() -> Space:
    """How few bits, with which norm, and does a hybrid bear them better?"""
    return Space(
        name="low_bit",
        genes={
            "d_model": (64,),
            "depth": (4,),
            "attention_ratio": (0.0, 0.5, 1.0),
            "linear_mixer": ("mamba2", "gated_deltanet"),
            "channel": ("dense", "relu2_glu"),
            "norm": ("rms", "layer", "sub", "dyt"),
            "weight_format": ("float", "int8", "int4", "ternary", "fp8_e4m3"),
            "activation_format": ("float", "int8"),
            "sparsity": ("none", "2:4"),
            "kv_bits": (16, 8, 4, 2),
        },
    )


def everything() -> Space:
    """Every causal mixer, channel part, routing, loop and number format at once: wide, for long searches."""
    return Space(
        name="everything",
        genes={
            "d_model": (64,),
            "depth": (3, 4),
            "placement": ("interleaved", "bottom", "middle", "top"),
            "attention_ratio": (0.0, 0.25, 0.5, 0.75, 1.0),
            "fusion": tuple(FUSIONS),
            "attention_mixer": _causal(ATTENTION_MIXERS),
            "linear_mixer": _causal(LINEAR_MIXERS),
            **_EVERY_ATTENTION,
            **_EVERY_RECURRENCE,
            **_EVERY_CHANNEL,
            **_EVERY_LOOP,
            **_EVERY_FORMAT,
        },
    )


def _causal(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if MIXERS[name].causal)


_EVERY_ATTENTION: dict[str, tuple[GeneValue, ...]] = {
    "n_heads": (2, 4),
    "n_kv_heads": (1, 2, "all"),
    "rope": (True, False),
    "rotary_share": ("all", "half", "quarter"),
    "qk_norm": (False, True),
    "soft_cap": (0.0, 30.0),
    "sink": (False, True),
    "output_gate": (False, True),
    "kv_bits": (16, 8, 4),
    "pattern": ("dense", "strided", "fixed", "bigbird", "top_k"),
    "window": (0, 16, 64),
    "n_global": (0, 2),
    "kv_rank": (16, 32),
    "q_rank": (0, 32),
    "segment": (16, 64),
    "kv_share": (1, 2),
}
_EVERY_RECURRENCE: dict[str, tuple[GeneValue, ...]] = {
    "linear_heads": (2, 4),
    "state_size": (8, 16),
    "expand": (1, 2),
    "conv_width": (2, 4),
    "beta_scale": (1, 2),
    "lora_rank": (8, 16),
    "rec_decay": DECAYS,
    "rec_write": ("add", "delta", "delta2"),
    "rec_feature_map": ("none", "elu1", "relu"),
    "rec_normaliser": (False, True),
    "rec_gate": ("none", "swish", "sigmoid"),
    "rec_token_shift": (False, True),
    "allocation": (False, True),
}
_EVERY_CHANNEL: dict[str, tuple[GeneValue, ...]] = {
    "channel": tuple(CHANNELS),
    "moe_period": (1, 2),
    "active_neurons": (0.25, 1.0),
    "n_experts": (4, 8),
    "top_k": (1, 2),
    "granularity": (2, 4),
    "n_shared": (1,),
    "shared_gate": (False, True),
    "balance": ("loss", "bias"),
    "n_zero": (0, 1),
    "token_capacity": (0.5, 1.0),
}
_EVERY_LOOP: dict[str, tuple[GeneValue, ...]] = {
    "n_loops": (1, 2, 3),
    "n_prelude": (0, 1),
    "n_coda": (0, 1),
    "injection": ("none", "add", "concat"),
    "loop_norm": (False, True),
    "step_embedding": (False, True),
    "loop_depth": ("fixed", "token_choice", "expert_choice", "halting"),
    "loop_shift": (False, True),
    "loop_kv": ("own", "first"),
    "loop_window": (0, 8),
    "eval_loops": (0, 1),
}
_EVERY_FORMAT: dict[str, tuple[GeneValue, ...]] = {
    "norm": ("rms", "layer", "dyt", "l1", "sub"),
    "weight_format": ("float", "int8", "int4", "ternary", "fp8_e4m3", "fp8_e5m2"),
    "activation_format": ("float", "int8", "fp8_e4m3"),
    "sparsity": ("none", "2:4", "4:8"),
    "n_streams": (1, 2),
    "n_meta": (0, 4),
    "mtp": (0, 1, 2),
    "next_latent": (False, True),
}


def recall_demo() -> Space:
    """Which small models recall? Small enough for a laptop: at most 4 layers of width 64."""
    return Space(
        name="recall_demo",
        genes={
            "d_model": (32, 64),
            "depth": (2, 3, 4),
            "placement": ("interleaved", "bottom", "top"),
            "attention_ratio": (0.0, 0.25, 0.5, 1.0),
            "linear_mixer": ("short_conv", "mamba2", "gated_deltanet"),
            "channel": ("none", "dense"),
        },
    )


PRESETS: dict[str, Callable[[], Space]] = {
    "hybrid_ratio": hybrid_ratio,
    "routing_granularity": routing_granularity,
    "loop_depth": loop_depth,
    "recall_state": recall_state,
    "low_bit": low_bit,
    "everything": everything,
    "recall_demo": recall_demo,
}
