"""An architecture as a config registry of torchtitan 0.3.0, whose models are Python values: one module, literals on top.

Blocks are those of its Qwen3 (grouped-query attention) or its DeepSeek-V3 (latent attention), with the rotary form that
turns halves, as ours does. Layers may differ in everything that a block says.
"""

from nas.export.training.recipe import DEFAULT, Schedule
from nas.export.training.target import (
    EPS,
    MAX_POSITIONS,
    ROPE_BASE,
    Files,
    Place,
    Refused,
    Target,
    of_kind,
    parts_of,
    plain_layers,
    require,
    require_norm,
    tokens_of,
)
from nas.export.training.text import Table
from nas.export.training.torchtitan_module import GROUPED, LATENT, MODULE, literal
from search_spaces.architecture import Architecture
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.mla import MLA
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.swiglu import SwiGLU

VERSION = "torchtitan 0.3.0"


def files(architecture: Architecture) -> Files:
    """The module. Raises `Refused`."""
    places = plain_layers(architecture, "torchtitan")
    layers, tokens = _layers(places), tokens_of(architecture)
    require_norm(architecture, "torchtitan", "rms")
    literals = {
        "DIM": architecture.d_model,
        "VOCAB_SIZE": tokens.vocab_size,
        "TIED": tokens.tie_embeddings,
        "NORM_EPS": EPS,
        "ROPE_THETA": float(ROPE_BASE),
        "MAX_SEQ_LEN": MAX_POSITIONS,
        "BACKEND": _backend(places),
        "LAYERS": layers,
        **_recipe(DEFAULT),
    }
    lines = "\n".join(f"{name} = {literal(value)}" for name, value in literals.items())
    block = LATENT if isinstance(places[0].mixer, MLA) else GROUPED
    module = MODULE.substitute(version=VERSION, notes=_notes(places), literals=lines, **block)
    return {"torchtitan/nas_architecture.py": module}


def _layers(places: tuple[Place, ...]) -> list[Table]:
    """What sets each layer apart."""
    latent = isinstance(places[0].mixer, MLA)
    experts = [*parts_of(places, MoE)]
    if len({part.balance for part in experts}) > 1:
        raise Refused("core", "experts balanced by loss and by bias; torchtitan has one of them for all layers")
    return [{"attention": _latent(place) if latent else _grouped(place), **_channel(place)} for place in places]


def _backend(places: tuple[Place, ...]) -> str:
    """Its flex attention has one mask for all layers; that of variable lengths takes a window layer by layer."""
    return "varlen" if any(mixer.window is not None for mixer in parts_of(places, Attention)) else "flex"


def _grouped(place: Place) -> Table:
    mixer = of_kind(place.mixer, Attention, place.mixer_at, "torchtitan")
    require(mixer, f"{place.mixer_at}.", "torchtitan", ("kind", "n_heads", "n_kv_heads", "head_dim", "qk_norm", "window"))
    return {
        "n_heads": mixer.n_heads,
        "n_kv_heads": mixer.n_kv_heads,
        "head_dim": mixer.head_dim,
        "qk_norm": mixer.qk_norm,
        "window": mixer.window,
    }


def _latent(place: Place) -> Table:
    mixer = of_kind(place.mixer, MLA, place.mixer_at, "torchtitan")
    has = ("kind", "n_heads", "kv_rank", "q_rank", "nope_dim", "rope_dim", "value_dim")
    require(mixer, f"{place.mixer_at}.", "torchtitan", has)
    return {
        "n_heads": mixer.n_heads,
        "q_lora_rank": mixer.q_rank or 0,
        "kv_lora_rank": mixer.kv_rank,
        "qk_nope_head_dim": mixer.nope_dim,
        "qk_rope_head_dim": mixer.rope_dim,
        "v_head_dim": mixer.value_dim,
    }


def _channel(place: Place) -> Table:
    at = f"{place.channel_at}."
    if isinstance(place.channel, MoE):
        has = ("kind", "n_experts", "top_k", "d_expert", "n_shared", "balance", "balance_rate", "normalise", "scale")
        require(place.channel, at, "torchtitan", has)
        return {"moe": _experts(place.channel)}
    feed_forward = of_kind(place.channel, SwiGLU, place.channel_at, "torchtitan")
    require(feed_forward, at, "torchtitan", ("kind", "d_ff"))
    return {"hidden_dim": feed_forward.d_ff}


def _experts(experts: MoE) -> Table:
    by_bias = experts.balance == "bias"
    return {
        "num_experts": experts.n_experts,
        "top_k": experts.top_k,
        "hidden_dim": experts.d_expert,
        "shared_hidden_dim": experts.n_shared * experts.d_expert,
        "score_func": "sigmoid" if by_bias else "softmax",
        "route_norm": experts.normalised,
        "route_scale": experts.scale,
        "load_balance_coeff": experts.balance_rate if by_bias else None,
    }


def _recipe(recipe: Schedule) -> Table:
    return {
        "STEPS": recipe.steps,
        "WARMUP_STEPS": recipe.warmup_steps,
        "LEARNING_RATE": recipe.learning_rate,
        "FINAL_FRACTION": recipe.final_fraction,
        "BETAS": (recipe.beta1, recipe.beta2),
        "WEIGHT_DECAY": recipe.weight_decay,
        "MAX_NORM": recipe.clip_norm,
        "BATCH_SIZE": recipe.batch_size,
        "SEQ_LEN": recipe.sequence_length,
    }


def _notes(places: tuple[Place, ...]) -> str:
    """What training with torchtitan leaves out, though its model computes the same."""
    by_loss = any(part.balance == "loss" for part in parts_of(places, MoE))
    return "# Experts are not balanced in training: torchtitan has no balance loss.\n" if by_loss else ""


TORCHTITAN = Target("torchtitan", VERSION, "nas_architecture.py, a config registry", files)
