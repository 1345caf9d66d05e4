"""Parameters of the models that configs describe, counted as their own code builds them: flash-linear-attention 0.6.0,
litgpt 0.5.13, torchtitan 0.3.0."""

from collections.abc import Mapping
from typing import Any

Config = Mapping[str, Any]


def fla(config: Config) -> int:
    """Of an `...ForCausalLM` of flash-linear-attention."""
    d, layers = config["hidden_size"], config["num_hidden_layers"]
    table = config["vocab_size"] * d
    specifications = config.get("attn") or []
    attended = {layer: spec for spec in specifications for layer in spec["layers"]}
    body = sum(_fla_layer(config, attended.get(layer)) for layer in range(layers))
    return int(table * (1 if config["tie_word_embeddings"] else 2) + d + body)


def _fla_layer(config: Config, spec: Config | None) -> int:
    d = config["hidden_size"]
    if config["model_type"] in ("mamba", "mamba2"):
        return int(d + MIXERS[config["model_type"]](config))
    mixer = MIXERS[config["model_type"]](config) if spec is None else _fla_attention({**config, **spec})
    return int(2 * d + mixer + 3 * d * _fla_hidden(config))


def _fla_hidden(config: Config) -> int:
    """GatedMLP: what is not said is 2/3 of a ratio, rounded up to 256."""
    if config.get("intermediate_size") is not None:
        return int(config["intermediate_size"])
    hidden = int(config["hidden_size"] * config["hidden_ratio"] * 2 / 3)
    return int(256 * -(-hidden // 256))


def _fla_attention(config: Config) -> int:
    d, head = config["hidden_size"], config["hidden_size"] // config["num_heads"]
    norms = 2 * head if config.get("qk_norm") is True else 0
    return int(2 * d * d + 2 * d * config["num_kv_heads"] * head + norms)


def _fla_latent(config: Config) -> int:
    d, h, rank = config["hidden_size"], config["num_heads"], config["kv_lora_rank"]
    query = config["qk_head_dim"] * h
    queries = d * query if config["q_lora_rank"] is None else config["q_lora_rank"] * (d + 1 + query)
    keys = d * config["qk_rope_head_dim"] + d * rank + rank
    return int(queries + keys + rank * h * (config["qk_nope_head_dim"] + config["v_head_dim"]) + h * config["v_head_dim"] * d)


def _expanded(config: Config) -> tuple[int, int]:
    d = config["hidden_size"]
    return round(d * config["expand_k"]), round(d * config["expand_v"])


def _retnet(config: Config) -> int:
    d, (keys, values) = config["hidden_size"], _expanded(config)
    gate = d * values if config["use_output_gate"] else 0
    norm = values // config["num_heads"] if config["elementwise_affine"] else 0
    return int(2 * d * keys + 2 * d * values + gate + norm)


def _gla(config: Config) -> int:
    d, (keys, values) = config["hidden_size"], _expanded(config)
    return int(_retnet(config) + _short_convolutions(config, keys, values) + 16 * (d + keys) + keys)


def _delta_net(config: Config) -> int:
    d, (keys, values) = config["hidden_size"], _expanded(config)
    gate = d * values if config["use_gate"] else 0
    own = 2 * d * keys + 2 * d * values + gate + d * config["num_heads"] + values // config["num_heads"]
    return int(own + _short_convolutions(config, keys, values))


def _gated_deltanet(config: Config) -> int:
    d, heads = config["hidden_size"], config["num_v_heads"]
    head = int(config["head_dim"] * config["expand_v"])
    keys, values = config["num_heads"] * config["head_dim"], heads * head
    gate = d * values if config["use_gate"] else 0
    own = 2 * d * keys + 2 * d * values + gate + 2 * d * heads + 2 * heads + head
    return int(own + _short_convolutions(config, keys, values))


def _short_convolutions(config: Config, keys: int, values: int) -> int:
    return int((2 * keys + values) * config["conv_size"] if config["use_short_conv"] else 0)


def _linear_attn(config: Config) -> int:
    d, (keys, values) = config["hidden_size"], _expanded(config)
    return int(2 * d * keys + 2 * d * values + (values // config["num_heads"] if config["elementwise_affine"] else 0))


def _mamba(config: Config) -> int:
    d, inner, size = config["hidden_size"], int(config["expand"] * config["hidden_size"]), config["state_size"]
    rank = config.get("dt_rank") or config["time_step_rank"]
    projections = 2 * d * inner + inner * (rank + 2 * size) + rank * inner + inner * d
    return int(projections + inner * (config["conv_kernel"] + 1) + inner + inner * size + inner)


def _mamba2(config: Config) -> int:
    d, inner = config["hidden_size"], int(config["expand"] * config["hidden_size"])
    heads, channels = inner // config["head_dim"], inner + 2 * config["n_groups"] * config["state_size"]
    convolution = channels * (config["conv_kernel"] + bool(config["use_conv_bias"]))
    return int(d * (inner + channels + heads) + convolution + 3 * heads + inner + inner * d)


MIXERS = {
    "transformer": _fla_attention,
    "mla": _fla_latent,
    "retnet": _retnet,
    "gla": _gla,
    "delta_net": _delta_net,
    "gated_deltanet": _gated_deltanet,
    "linear_attn": _linear_attn,
    "mamba": _mamba,
    "samba": _mamba,
    "mamba2": _mamba2,
}


def litgpt(config: Config, *, tied: bool) -> int:
    """Of `litgpt.GPT`."""
    d, layers = config["n_embd"], config["n_layer"]
    norm = 2 * d if config["norm_class_name"] == "LayerNorm" else d
    body = layers * (2 * norm + _litgpt_attention(config)) + sum(_litgpt_channel(config, layer) for layer in range(layers))
    return int(config["padded_vocab_size"] * d * (1 if tied else 2) + norm + body)


def _litgpt_attention(config: Config) -> int:
    d, h = config["n_embd"], config["n_head"]
    if latent := config.get("latent_attention"):
        query = h * (latent["qk_nope_head_dim"] + latent["qk_rope_head_dim"])
        rank, values = latent["kv_lora_rank"], latent["v_head_dim"]
        keys = d * (rank + latent["qk_rope_head_dim"]) + rank + rank * h * (latent["qk_nope_head_dim"] + values)
        return int(latent["q_lora_rank"] * (d + 1 + query) + keys + h * values * d)
    size = config["head_size"]
    qkv = d * (h + 2 * config["n_query_groups"]) * size
    return int(qkv + h * size * d + (2 * size if config["norm_qk"] else 0))


def _litgpt_channel(config: Config, layer: int) -> int:
    d = config["n_embd"]
    if config["mlp_class_name"] != "LLaMAMoE" or layer < config.get("first_k_dense_replace", 0):
        return int(3 * d * config["intermediate_size"])
    experts = config["n_expert"] + (config["n_shared_expert"] or 0)
    return int(d * config["n_expert"] + 3 * d * config["moe_intermediate_size"] * experts)


def torchtitan(literals: Config) -> int:
    """Of the module's `model().build()`."""
    d = literals["DIM"]
    body = sum(2 * d + _titan_attention(layer["attention"], d) + _titan_channel(layer, d) for layer in literals["LAYERS"])
    return int(literals["VOCAB_SIZE"] * d * (1 if literals["TIED"] else 2) + d + body)


def _titan_attention(attention: Config, d: int) -> int:
    h = attention["n_heads"]
    if "kv_lora_rank" in attention:
        query = h * (attention["qk_nope_head_dim"] + attention["qk_rope_head_dim"])
        rank, q_rank, values = attention["kv_lora_rank"], attention["q_lora_rank"], attention["v_head_dim"]
        queries = q_rank * (d + 1 + query) if q_rank else d * query
        keys = d * (rank + attention["qk_rope_head_dim"]) + rank + rank * h * (attention["qk_nope_head_dim"] + values)
        return int(queries + keys + h * values * d)
    size = attention["head_dim"]
    return int(d * size * (2 * h + 2 * attention["n_kv_heads"]) + (2 * size if attention["qk_norm"] else 0))


def _titan_channel(layer: Config, d: int) -> int:
    if "moe" not in layer:
        return int(3 * d * layer["hidden_dim"])
    moe = layer["moe"]
    return int(d * moe["num_experts"] + 3 * d * (moe["num_experts"] * moe["hidden_dim"] + moe["shared_hidden_dim"]))
