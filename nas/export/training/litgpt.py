"""An architecture as a config of litgpt 0.5.13: `model_config.yaml`, and `pretrain.yaml` for `litgpt pretrain --config`.

litgpt has one block for all layers: attention with rotary positions, or latent attention, then a feed-forward or experts.
"""

from nas.export.training.recipe import DEFAULT, Schedule
from nas.export.training.target import (
    EPS,
    ROPE_BASE,
    Files,
    Place,
    Refused,
    Target,
    of_kind,
    one_of_each,
    parts_of,
    plain_layers,
    require,
    require_norm,
    tokens_of,
)
from nas.export.training.text import Table, yaml
from search_spaces.architecture import Architecture
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.mla import MLA
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.swiglu import SwiGLU

VERSION = "litgpt 0.5.13"
NAME = "nas-architecture"
"""Not a model's of litgpt: some of those change what the same fields mean."""
BLOCK_SIZE = 4096
"""Tokens, litgpt's own default: it makes tables of this length before it trains, and our models have no limit."""
NORMS = {"rms": "RMSNorm", "layer": "LayerNorm"}
FEED_FORWARDS = {"silu": "LLaMAMLP", "gelu": "GemmaMLP"}


def files(architecture: Architecture) -> Files:
    """Both configs. Raises `Refused`."""
    config = model_config(architecture)
    about = (f"for {VERSION}: litgpt.Config.from_file reads it", *_notes(architecture))
    how = (
        f"for {VERSION}: litgpt pretrain --config pretrain.yaml --data <a data module> --tokenizer_dir <a tokenizer>",
        "the recipe is the default one of a study's proxies; set steps, batch and length for a real run",
        *_notes(architecture),
    )
    return {
        "litgpt/model_config.yaml": yaml(about, config),
        "litgpt/pretrain.yaml": yaml(how, _pretraining(architecture, config, DEFAULT)),
    }


def model_config(architecture: Architecture) -> Table:
    """The fields of `litgpt.Config`, every one that has a default of its own written out. Raises `Refused`."""
    places = plain_layers(architecture, "litgpt")
    tokens, latent = tokens_of(architecture), isinstance(places[0].mixer, MLA)
    parts = {**(_latent_attention(places) if latent else _attention(architecture, places)), **_channels(places)}
    require_norm(architecture, "litgpt", "rms", "layer")
    one_of_each(places, "litgpt", varies=("window",))
    return {
        "name": NAME,
        "block_size": BLOCK_SIZE,
        "n_layer": len(places),
        "n_embd": architecture.d_model,
        "vocab_size": tokens.vocab_size,
        "padded_vocab_size": tokens.vocab_size,
        "norm_class_name": NORMS[architecture.norm],
        "norm_eps": EPS,
        "parallel_residual": False,
        "bias": False,
        "lm_head_bias": False,
        "rope_base": ROPE_BASE,
        **parts,
    }


def _attention(architecture: Architecture, places: tuple[Place, ...]) -> Table:
    for place in places:
        _check_attention(of_kind(place.mixer, Attention, place.mixer_at, "litgpt"), place, architecture)
    mixers = [*parts_of(places, Attention)]
    first, windows = mixers[0], [mixer.window for mixer in mixers]
    return {
        "n_head": first.n_heads,
        "head_size": first.head_dim,
        "n_query_groups": first.n_kv_heads,
        "rotary_percentage": first.rotary_fraction if first.rope else 0.0,
        "norm_qk": first.qk_norm,
        "attention_logit_softcapping": first.soft_cap,
        **_windows(windows, places),
    }


def _check_attention(mixer: Attention, place: Place, architecture: Architecture) -> None:
    at = f"{place.mixer_at}."
    has = ("kind", "n_heads", "n_kv_heads", "head_dim", "window", "rope", "rotary_fraction", "qk_norm", "soft_cap")
    require(mixer, at, "litgpt", has)
    if mixer.qk_norm and architecture.norm != "rms":
        raise Refused(f"{at}qk_norm", f"litgpt norms queries and keys as the stream, by {NORMS[architecture.norm]}")


def _windows(windows: list[int | None], places: tuple[Place, ...]) -> Table:
    """One window, in the layers that have any."""
    sizes = {window for window in windows if window is not None}
    if len(sizes) > 1:
        index = next(i for i, window in enumerate(windows) if window not in (None, *windows[:i]) and i)
        raise Refused(f"{places[index].mixer_at}.window", f"windows of {sorted(sizes)}; litgpt has one for all its layers")
    if not sizes:
        return {}
    return {"sliding_window_size": sizes.pop(), "sliding_window_indices": [int(window is not None) for window in windows]}


def _latent_attention(places: tuple[Place, ...]) -> Table:
    for place in places:
        mixer, at = of_kind(place.mixer, MLA, place.mixer_at, "litgpt"), f"{place.mixer_at}."
        require(mixer, at, "litgpt", ("kind", "n_heads", "kv_rank", "q_rank", "nope_dim", "rope_dim", "value_dim"))
        if mixer.q_rank is None:
            raise Refused(f"{at}q_rank", "None; litgpt always makes queries of a latent")
    first = next(parts_of(places, MLA))
    latent = {
        "q_lora_rank": first.q_rank,
        "kv_lora_rank": first.kv_rank,
        "qk_rope_head_dim": first.rope_dim,
        "qk_nope_head_dim": first.nope_dim,
        "v_head_dim": first.value_dim,
    }
    return {"n_head": first.n_heads, "head_size": first.query_dim, "rotary_percentage": 1.0, "latent_attention": latent}


def _channels(places: tuple[Place, ...]) -> Table:
    """A feed-forward in every layer, or experts in all but the first ones."""
    n_dense = next((i for i, place in enumerate(places) if not isinstance(place.channel, SwiGLU)), len(places))
    for place in places[:n_dense]:
        feed_forward = of_kind(place.channel, SwiGLU, place.channel_at, "litgpt")
        require(feed_forward, f"{place.channel_at}.", "litgpt", ("kind", "d_ff"), {"activation": tuple(FEED_FORWARDS)})
    dense = next(parts_of(places, SwiGLU), None)
    if n_dense == len(places) and dense is not None:
        gelu = {"gelu_approximate": "tanh"} if dense.activation == "gelu" else {}
        return {"mlp_class_name": FEED_FORWARDS[dense.activation], "intermediate_size": dense.d_ff, **gelu}
    for place in places[n_dense:]:
        _check_experts(of_kind(place.channel, MoE, place.channel_at, "litgpt"), place)
    return _experts(next(parts_of(places, MoE)), dense, n_dense, places)


def _check_experts(experts: MoE, place: Place) -> None:
    has = ("kind", "n_experts", "top_k", "d_expert", "n_shared", "balance", "balance_rate", "scale", "normalise")
    require(experts, f"{place.channel_at}.", "litgpt", has)
    if experts.balance == "loss" and not experts.normalised:
        raise Refused(f"{place.channel_at}.normalise", "False; litgpt takes the softmax over the chosen experts")


def _experts(experts: MoE, dense: SwiGLU | None, n_dense: int, places: tuple[Place, ...]) -> Table:
    if dense is not None and dense.activation != "silu":
        raise Refused(f"{places[0].channel_at}.activation", f"{dense.activation!r}; litgpt has 'silu' beside experts")
    return {
        "mlp_class_name": "LLaMAMoE",
        "n_expert": experts.n_experts,
        "n_expert_per_token": experts.top_k,
        "moe_intermediate_size": experts.d_expert,
        "n_shared_expert": experts.n_shared or None,
        "routed_scaling_factor": experts.scale,
        **({} if dense is None else {"first_k_dense_replace": n_dense, "intermediate_size": dense.d_ff}),
        **({} if experts.balance == "loss" else _sigmoid_router(experts)),
    }


def _sigmoid_router(experts: MoE) -> Table:
    """The grouped router of litgpt is its only one by sigmoid and bias; with every group kept, groups change nothing."""
    groups = next(size for size in range(2, experts.n_experts + 1) if experts.n_experts % size == 0)
    return {
        "n_expert_groups": groups,
        "n_topk_groups": groups,
        "n_topk_scores_per_group": 1,
        "norm_topk_prob": experts.normalised,
    }


def _notes(architecture: Architecture) -> tuple[str, ...]:
    """What training with litgpt leaves out, though its model computes the same."""
    experts = next((part for _, part in architecture.parts() if isinstance(part, MoE)), None)
    if experts is None:
        return ()
    missing = "no balance loss" if experts.balance == "loss" else "the bias of the choice of experts stays zero"
    return (f"experts are not balanced in training by litgpt: {missing}",)


def _pretraining(architecture: Architecture, config: Table, recipe: Schedule) -> Table:
    return {
        "model_name": NAME,
        "model_config": config,
        "out_dir": "out/pretrain",
        "precision": "bf16-mixed",
        "train": {
            "global_batch_size": recipe.batch_size,
            "micro_batch_size": recipe.batch_size,
            "max_tokens": recipe.tokens,
            "max_seq_length": recipe.sequence_length,
            "lr_warmup_steps": recipe.warmup_steps,
            "max_norm": recipe.clip_norm,
            "min_lr": recipe.final_learning_rate,
            "tie_embeddings": tokens_of(architecture).tie_embeddings,
        },
        "optimizer": {
            "class_path": "torch.optim.AdamW",
            "init_args": {
                "lr": recipe.learning_rate,
                "weight_decay": recipe.weight_decay,
                "betas": [recipe.beta1, recipe.beta2],
            },
        },
    }


LITGPT = Target("litgpt", VERSION, "model_config.yaml and pretrain.yaml", files)
