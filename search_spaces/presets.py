"""Named spaces, each a good first study of one question."""

from collections.abc import Callable

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
            "linear_mixer": ("mamba2", "retnet", "gla", "gated_deltanet", "short_conv"),
            "n_kv_heads": (1, 2, "all"),
            "state_size": (8, 16, 32),
        },
    )


def routing_granularity() -> Space:
    """Dense, coarse, fine-grained or shared experts, at the same width per token?"""
    return Space(
        name="routing_granularity",
        genes={
            "d_model": (64,),
            "depth": (4,),
            "attention_ratio": (0.5,),
            "linear_mixer": ("gated_deltanet",),
            "channel": ("dense", "moe", "moe_fine", "moe_shared"),
            "moe_period": (1, 2),
            "ffn_ratio": (2.0, 4.0),
            "n_experts": (4, 8, 16),
            "top_k": (1, 2),
            "granularity": (2, 4),
            "n_shared": (1,),
            "balance": ("loss", "bias"),
        },
    )


def loop_depth() -> Space:
    """Weights of their own, or the same weights again?"""
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
            "injection": ("none", "add"),
        },
    )


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
    "recall_demo": recall_demo,
}
