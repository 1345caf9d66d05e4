"""Weights of transformers' `llama`, layer by layer and as a whole model; families like it build on these rules."""

from collections.abc import Callable

from nas.export.huggingface.holds import require
from nas.export.huggingface.rules import Rule, same, stacked, under
from search_spaces.architecture import Architecture, Layer, TokenInput
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.swiglu import SwiGLU

HEADS = ("kind", "n_heads", "n_kv_heads", "head_dim")

AttentionRules = Callable[[Attention], tuple[Rule, ...]]


def rules(architecture: Architecture) -> tuple[Rule, ...]:
    """A whole `LlamaForCausalLM`. Raises ValueError, naming the field, for an architecture that it cannot hold."""
    return model_rules(architecture, "llama", attention_rules)


def attention_rules(config: Attention) -> tuple[Rule, ...]:
    """`Attention` over everything with rotary positions as a LlamaAttention. Raises ValueError for any other."""
    require(config, "llama", HEADS)
    return projections(config)


def channel_rules(config: SwiGLU) -> tuple[Rule, ...]:
    """`SwiGLU` as a LlamaMLP. Raises ValueError for other activations, sub-norms and neuron-level top-k."""
    require(config, "llama", ("kind", "d_ff"))
    gate_up = stacked("in_proj.weight", ("gate_proj.weight", "up_proj.weight"), 2 * [config.d_ff])
    return gate_up, same("out_proj.weight", "down_proj.weight")


def projections(config: Attention) -> tuple[Rule, ...]:
    """Queries, keys, values and output of any attention without an output gate."""
    sizes = [heads * config.head_dim for heads in (config.n_heads, config.n_kv_heads, config.n_kv_heads)]
    joined = stacked("in_proj.weight", tuple(f"{name}_proj.weight" for name in "qkv"), sizes)
    return joined, same("out_proj.weight", "o_proj.weight")


def model_rules(architecture: Architecture, family: str, attention: AttentionRules) -> tuple[Rule, ...]:
    """A model of `family` whose layers are one attention, mapped by `attention`, and one SwiGLU, all of the same size.

    Tied embeddings are one tensor, as in saved checkpoints. Raises ValueError for an architecture that it cannot hold.
    """
    require(architecture, family, ("d_model", "input", "core"))
    if not isinstance(architecture.input, TokenInput):
        raise ValueError(f"input {architecture.input.kind!r}: transformers' {family} only has 'tokens'")
    require(architecture.input, family, ("kind", "vocab_size", "tie_embeddings"))
    ends = [same("ends.embedding.weight", "model.embed_tokens.weight"), same("norm.weight", "model.norm.weight")]
    if not architecture.input.tie_embeddings:
        ends.append(same("ends.head.weight", "lm_head.weight"))
    if len({_size(layer, family) for layer in architecture.core}) > 1:
        raise ValueError(f"core: transformers' {family} has one size of heads and one of channel parts for all its layers")
    numbered = enumerate(architecture.core)
    layers = [
        under(_layer_rules(layer, attention), f"backbone.core.layers.{index}.", f"model.layers.{index}.")
        for index, layer in numbered
    ]
    return (*ends, *(rule for layer in layers for rule in layer))


def _size(layer: Layer, family: str) -> tuple[int, ...]:
    """What is the same in all layers. Raises ValueError for a layer that is not one attention and one SwiGLU."""
    require(layer, family, ("mixers", "channel"))
    mixer, channel = layer.mixers[0] if len(layer.mixers) == 1 else None, layer.channel
    if not isinstance(mixer, Attention) or not isinstance(channel, SwiGLU):
        raise ValueError(f"core: every layer of transformers' {family} is one attention and one swiglu")
    return mixer.n_heads, mixer.n_kv_heads, mixer.head_dim, channel.d_ff


def _layer_rules(layer: Layer, attention: AttentionRules) -> tuple[Rule, ...]:
    """A decoder layer; `_size` has made sure of its parts."""
    mixers = [under(attention(mixer), "mixers.block.", "self_attn.") for mixer in layer.mixers if isinstance(mixer, Attention)]
    channel = channel_rules(layer.channel) if isinstance(layer.channel, SwiGLU) else ()
    norms = (
        same("mixers.norm.weight", "input_layernorm.weight"),
        same("channel.norm.weight", "post_attention_layernorm.weight"),
    )
    return (*norms, *(rule for mixer in mixers for rule in mixer), *under(channel, "channel.block.", "mlp."))
