"""An architecture as the `config.json` of a model of flash-linear-attention 0.6.0.

Its models have one mixer of their own kind, which decides the model, softmax attention in chosen layers, and a SwiGLU in
each layer; only Mamba's have none. What its code ignores of a config, or fixes, is written in `fla_mixers`.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace

from nas.export.training.fla_mixers import (
    delta_net,
    gated_deltanet,
    gla,
    linear_attn,
    mamba2,
    mamba_sizes,
    retnet,
)
from nas.export.training.target import (
    EPS,
    MAX_POSITIONS,
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
from nas.export.training.text import Table
from search_spaces.architecture import Architecture
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.mamba import Mamba
from search_spaces.primitives.mla import MLA
from search_spaces.primitives.recurrence import Recurrence
from search_spaces.primitives.swiglu import SwiGLU

VERSION = "flash-linear-attention 0.6.0"
SAMBA_MULTIPLE = 256
"""Samba rounds the width of its feed-forward up to a multiple of this, and a config cannot say it otherwise."""
ABSENT = {
    "rwkv6": "fla's rwkv6 has one epsilon for all its norms; here the heads' norm has 64e-5 and the stream's 1e-5",
    "rwkv7": "fla's rwkv7 mixes the first layer's values into later ones; here no layer reads another's",
}
"""Mixers that fla has by name, with something of their own."""
CLASSES = {
    "delta_net": "DeltaNetForCausalLM",
    "gated_deltanet": "GatedDeltaNetForCausalLM",
    "gla": "GLAForCausalLM",
    "linear_attn": "LinearAttentionForCausalLM",
    "mamba": "MambaForCausalLM",
    "mamba2": "Mamba2ForCausalLM",
    "mla": "MLAForCausalLM",
    "retnet": "RetNetForCausalLM",
    "samba": "SambaForCausalLM",
    "transformer": "TransformerForCausalLM",
}
Places = tuple[Place, ...]


Sizes = Callable[[Recurrence, str, int], Table]
"""From a mixer, the prefix of its fields and d_model. Raises `Refused`."""
OF_DECAY: Mapping[str, tuple[str, Sizes]] = {
    "fixed": ("retnet", retnet),
    "low_rank": ("gla", gla),
    "none": ("linear_attn", linear_attn),
}
"""Of recurrences that write plainly."""


def files(architecture: Architecture) -> Files:
    """The config alone; JSON has no comments. Raises `Refused`."""
    return {"fla/config.json": json.dumps(config(architecture), indent=2) + "\n"}


def config(architecture: Architecture) -> Table:
    """The whole `config.json`. Raises `Refused`."""
    places, tokens = plain_layers(architecture, "fla"), tokens_of(architecture)
    layers = _layers(places, architecture.d_model)
    require_norm(architecture, "fla", "rms")
    return {
        **layers,
        "vocab_size": tokens.vocab_size,
        "hidden_size": architecture.d_model,
        "num_hidden_layers": len(places),
        "tie_word_embeddings": tokens.tie_embeddings,
        "norm_eps": EPS,
        **dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id")),
    }


def _layers(places: Places, d_model: int) -> Table:
    """By the first mixer that is not softmax attention, the model type and what it says of its layers."""
    own = next((place for place in places if not isinstance(place.mixer, Attention)), places[0])
    mixer, at = own.mixer, f"{own.mixer_at}."
    if isinstance(mixer, Recurrence):
        return _recurrent(mixer, at, places, d_model)
    if isinstance(mixer, Mamba):
        return _mamba(mixer, at, places, d_model)
    if isinstance(mixer, MLA):
        return _latent(mixer, at, places)
    if isinstance(mixer, Attention):
        return _transformer(mixer, places, d_model)
    missing = "a layer without a mixer" if mixer is None else f"the mixer {mixer.kind!r}"
    raise Refused(own.mixer_at, ABSENT.get(getattr(mixer, "kind", ""), f"no model of fla has {missing}"))


def _recurrent(mixer: Recurrence, at: str, places: Places, d_model: int) -> Table:
    model_type, sizes = _recurrent_model(mixer, at)
    layers = {"model_type": model_type, "architectures": [CLASSES[model_type]], **sizes(mixer, at, d_model)}
    if model_type == "mamba2":
        return {**layers, **_without_channels(places, model_type, Recurrence)}
    return {**layers, **_attention_layers(places, Recurrence, d_model), **_feed_forward(places)}


def _recurrent_model(mixer: Recurrence, at: str) -> tuple[str, Sizes]:
    """The model whose layer comes closest; its own checks say whether it is the same."""
    if mixer.write == "step":
        return "mamba2", mamba2
    if mixer.decay == "step" and mixer.decay_dim == "key":
        raise Refused(f"{at}gate_rank", "the gate has no bias here; the second matrix of fla's kda has one")
    if mixer.decay == "sigmoid" and mixer.tied_keys:
        raise Refused(f"{at}decay", "'sigmoid', which has a bias here; fla's hgrn2 has none")
    if mixer.write == "delta":
        return ("gated_deltanet", gated_deltanet) if mixer.decay == "step" else ("delta_net", delta_net)
    if mixer.write == "exp" or mixer.decay not in OF_DECAY:
        raise Refused(f"{at}decay", f"{mixer.decay!r} with write {mixer.write!r}; no model of fla has them together")
    return OF_DECAY[mixer.decay]


def _mamba(mixer: Mamba, at: str, places: Places, d_model: int) -> Table:
    """Samba is Mamba with attention in some layers and a feed-forward in each."""
    sizes = mamba_sizes(mixer, at)
    if all(place.channel is None for place in places):
        own = {"model_type": "mamba", "architectures": [CLASSES["mamba"]], "dt_rank": mixer.rank(d_model), **sizes}
        return {**own, **_without_channels(places, "mamba", Mamba)}
    return {
        "model_type": "samba",
        "architectures": [CLASSES["samba"]],
        **sizes,
        "time_step_rank": mixer.rank(d_model),
        **_attention_layers(places, Mamba, d_model),
        **_samba_feed_forward(places, d_model),
    }


def _latent(mixer: MLA, at: str, places: Places) -> Table:
    has = ("kind", "n_heads", "kv_rank", "q_rank", "nope_dim", "rope_dim", "value_dim")
    require(mixer, at, "fla's mla", has)
    if mixer.value_dim > mixer.query_dim:
        raise Refused(f"{at}value_dim", f"{mixer.value_dim}; fla's mla has at most nope_dim + rope_dim {mixer.query_dim}")
    for place in places:
        of_kind(place.mixer, MLA, place.mixer_at, "fla's mla")
    return {
        "model_type": "mla",
        "architectures": [CLASSES["mla"]],
        "num_heads": mixer.n_heads,
        "q_lora_rank": mixer.q_rank,
        "kv_lora_rank": mixer.kv_rank,
        "qk_nope_head_dim": mixer.nope_dim,
        "qk_rope_head_dim": mixer.rope_dim,
        "qk_head_dim": mixer.query_dim,
        "v_head_dim": mixer.value_dim,
        "rope_theta": float(ROPE_BASE),
        "max_position_embeddings": MAX_POSITIONS,
        **_feed_forward(places),
    }


def _transformer(mixer: Attention, places: Places, d_model: int) -> Table:
    for place in places:
        _check_attention(of_kind(place.mixer, Attention, place.mixer_at, "fla's transformer"), place, d_model, ("qk_norm",))
    return {
        "model_type": "transformer",
        "architectures": [CLASSES["transformer"]],
        **_attention(mixer),
        "qk_norm": mixer.qk_norm,
        "max_position_embeddings": MAX_POSITIONS,
        **_feed_forward(places),
    }


def _attention_layers(places: Places, own: type[Recurrence | Mamba], d_model: int) -> Table:
    """The layers of softmax attention in a model with another mixer, those alike together."""
    alike: dict[Attention, list[int]] = {}
    for index, place in enumerate(places):
        if not isinstance(place.mixer, own):
            mixer = of_kind(place.mixer, Attention, place.mixer_at, "a hybrid of fla")
            _check_attention(mixer, place, d_model)
            alike.setdefault(mixer, []).append(index)
    specifications = [{"layers": layers, **_attention(mixer)} for mixer, layers in alike.items()]
    return {"attn": specifications or None, "max_position_embeddings": MAX_POSITIONS}


def _check_attention(mixer: Attention, place: Place, d_model: int, further: tuple[str, ...] = ()) -> None:
    at = f"{place.mixer_at}."
    require(mixer, at, "fla's attention", ("kind", "n_heads", "n_kv_heads", "head_dim", "window", *further))
    if mixer.n_heads * mixer.head_dim != d_model:
        raise Refused(f"{at}head_dim", f"{mixer.head_dim}; fla has d_model / n_heads = {d_model / mixer.n_heads:g}")


def _attention(mixer: Attention) -> Table:
    return {
        "num_heads": mixer.n_heads,
        "num_kv_heads": mixer.n_kv_heads,
        "qkv_bias": False,
        "window_size": mixer.window,
        "rope_theta": float(ROPE_BASE),
    }


def _feed_forward(places: Places) -> Table:
    """SwiGLU in every layer."""
    one_of_each(_without_attention(places), "fla")
    return {"intermediate_size": _width(places), "hidden_act": "swish"}


def _samba_feed_forward(places: Places, d_model: int) -> Table:
    """Its width is 2/3 of a ratio, rounded up; the ratio that gives ours."""
    one_of_each(_without_attention(places), "fla")
    width = _width(places)
    if width % SAMBA_MULTIPLE:
        raise Refused(f"{places[0].channel_at}.d_ff", f"{width}; fla's samba has multiples of {SAMBA_MULTIPLE} only")
    ratio = 3 * width / (2 * d_model)
    return {"hidden_ratio": int(ratio) if ratio == int(ratio) else ratio, "hidden_act": "swish"}


def _width(places: Places) -> int:
    """Of every layer's SwiGLU."""
    for place in places:
        require(of_kind(place.channel, SwiGLU, place.channel_at, "fla"), f"{place.channel_at}.", "fla", ("kind", "d_ff"))
    return next(parts_of(places, SwiGLU)).d_ff


def _without_attention(places: Places) -> Places:
    """Without the mixers that a config says layer by layer; all of them, where there is nothing else."""
    if all(isinstance(place.mixer, Attention) for place in places):
        return places
    return tuple(replace(place, mixer=None) if isinstance(place.mixer, Attention) else place for place in places)


def _without_channels(places: Places, model_type: str, own: type[Recurrence | Mamba]) -> Table:
    """Nothing to say of layers that are this mixer alone."""
    for place in places:
        if place.channel is not None:
            raise Refused(place.channel_at, f"{place.channel.kind}; a layer of fla's {model_type} is a mixer alone")
        of_kind(place.mixer, own, place.mixer_at, f"fla's {model_type}")
    one_of_each(places, "fla")
    return {"hidden_act": "silu"}


FLA = Target("fla", VERSION, "config.json of one of its models", files)
