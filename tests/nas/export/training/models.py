"""Architectures that the training programs say in different ways, beside the zoo, and how to read a module they are said in."""

import ast
from collections.abc import Mapping
from typing import Any

from search_spaces.architecture import Architecture, Layer, TokenInput
from search_spaces.norm import NormKind
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.mamba import Mamba
from search_spaces.primitives.mla import MLA
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.recurrence import (
    Recurrence,
    deltanet,
    gated_deltanet,
    gla,
    linear_attention,
    mamba2,
    retnet,
)
from search_spaces.primitives.swiglu import SwiGLU

D = 32
DENSE = SwiGLU(d_ff=48)
LATENT = MLA(n_heads=4, kv_rank=8, q_rank=12, nope_dim=8, rope_dim=4, value_dim=6)
BY_BIAS = MoE(n_experts=6, top_k=2, d_expert=16, n_shared=2, balance="bias", normalise=True, scale=2.5)
RETNET = retnet(D, n_heads=4, key_dim=8)
GLA = gla(D, n_heads=4, key_dim=8)
DELTA = deltanet(D, n_heads=4, key_dim=8)
GATED_DELTA = gated_deltanet(D, n_heads=4, key_dim=8)
SHARED_KEYS = gated_deltanet(D, n_heads=4, key_dim=24, n_groups=2, beta_scale=2).model_copy(
    update={"value_dim": 40, "gate_activation": "sigmoid"}
)
LINEAR = linear_attention(D, n_heads=4, key_dim=8).model_copy(update={"out_norm": "head"})
SSD = mamba2(D, n_heads=8, state_size=16)
WITHOUT_CONVOLUTION: Mapping[str, object] = {"conv_width": 0, "feature_map": "silu", "value_silu": True}


def changed(mixer: Recurrence, **fields: object) -> Recurrence:
    """The same with other fields, still checked."""
    return Recurrence.model_validate({**mixer.to_data(), **fields})


def attention(**fields: object) -> Attention:
    return Attention.model_validate({"n_heads": 4, "n_kv_heads": 2, "head_dim": 8, **fields})


def model(*layers: Layer, norm: NormKind = "rms", tied: bool = True) -> Architecture:
    return Architecture(d_model=D, input=TokenInput(vocab_size=64, tie_embeddings=tied), core=layers, norm=norm)


def layer(mixer: Attention | MLA | Mamba | Recurrence, channel: SwiGLU | MoE | None = DENSE) -> Layer:
    return Layer(mixers=(mixer,), channel=channel)


def twice(mixer: Attention | MLA | Mamba | Recurrence, channel: SwiGLU | MoE | None = DENSE) -> Architecture:
    return model(*(layer(mixer, channel),) * 2)


FLA_MODELS: dict[str, Architecture] = {
    "qk norm, window, untied": model(*(layer(attention(qk_norm=True, window=5)),) * 2, tied=False),
    "mla": twice(LATENT),
    "mla without a query rank": twice(LATENT.model_copy(update={"q_rank": None})),
    "retnet, learned norm, no gate": twice(changed(RETNET, out_norm="head", gate=False)),
    "gla, convolution, relu, plain norm": twice(changed(GLA, conv_width=4, feature_map="relu", out_norm="head_plain")),
    "delta_net, gate, no convolution": twice(changed(DELTA, gate=True, **WITHOUT_CONVOLUTION)),
    "gated_deltanet, shared keys": twice(SHARED_KEYS),
    "gated_deltanet, no gate": twice(changed(GATED_DELTA, gate=False, **WITHOUT_CONVOLUTION)),
    "linear_attn": twice(LINEAR),
    "linear_attn, relu": twice(changed(LINEAR, feature_map="relu", normaliser="none", out_norm="head_plain")),
    "hybrid": model(*(layer(GATED_DELTA),) * 2, layer(attention()), layer(attention(window=4, n_kv_heads=4))),
    "mamba": twice(Mamba(dt_rank=3, state_size=8), channel=None),
    "samba": model(layer(Mamba(), SwiGLU(d_ff=256)), layer(attention(window=4), SwiGLU(d_ff=256))),
    "mamba2, a group for each head": twice(SSD.model_copy(update={"n_groups": 8}), channel=None),
}
LITGPT_MODELS: dict[str, Architecture] = {
    "layer norm, gelu, partial rotary": model(
        *(layer(attention(rotary_fraction=0.5), SwiGLU(d_ff=40, activation="gelu")),) * 2, norm="layer", tied=False
    ),
    "qk norm, soft cap, wide heads": twice(attention(qk_norm=True, soft_cap=5.0, head_dim=12)),
    "no positions": twice(attention(rope=False)),
    "windows in some layers": model(layer(attention(window=4)), layer(attention())),
    "latent": twice(LATENT),
    "experts by bias behind a dense layer": model(layer(attention()), layer(attention(), BY_BIAS)),
    "five experts by bias": twice(attention(), MoE(n_experts=5, top_k=2, d_expert=16, balance="bias")),
    "latent experts": model(layer(LATENT), layer(LATENT, BY_BIAS)),
}
TORCHTITAN_MODELS: dict[str, Architecture] = {
    "windows of two sizes": model(layer(attention(window=4)), layer(attention()), layer(attention(window=1))),
    "layers that differ": model(layer(attention(qk_norm=True, head_dim=12)), layer(attention(), SwiGLU(d_ff=40)), tied=False),
    "latent": twice(LATENT.model_copy(update={"q_rank": None})),
    "latent experts": model(layer(LATENT), layer(LATENT, BY_BIAS)),
    "experts by bias behind a dense layer": model(layer(attention()), layer(attention(), BY_BIAS)),
}


def literals_of(module: str) -> dict[str, Any]:
    """The capital names that a module's text gives plain values to; lists of repeated items are written out."""
    tree = ast.parse(module)
    plain = [node for node in tree.body if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)]
    named = {node.targets[0].id: node.value for node in plain if isinstance(node.targets[0], ast.Name)}
    return {name: _value(value) for name, value in named.items() if not name.startswith("_")}


def _value(node: ast.expr) -> Any:
    """A literal, or a list of `*[item] * n`."""
    if not isinstance(node, ast.List):
        return ast.literal_eval(node)
    items = []
    for run in node.elts:
        assert isinstance(run, ast.Starred)
        assert isinstance(run.value, ast.BinOp)
        items += ast.literal_eval(run.value.left) * ast.literal_eval(run.value.right)
    return items
