"""Weights of transformers' `jamba`: Mamba-1 with norms, attention without positions, experts in some layers."""

from nas.export.huggingface.holds import require
from nas.export.huggingface.llama import HEADS, channel_rules, projections
from nas.export.huggingface.mamba import scan_rules
from nas.export.huggingface.mixtral import ROUTED, experts, no_routing_bias, require_normalised
from nas.export.huggingface.model import Family, place
from nas.export.huggingface.rules import Rules, same
from search_spaces.architecture import Architecture
from search_spaces.primitives import Primitive
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.mamba import Mamba
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.swiglu import SwiGLU

NORMS = ("dt_layernorm", "b_layernorm", "c_layernorm")


def mixer_rules(config: Mamba) -> Rules:
    """`Mamba` with norms as a JambaMambaMixer. Raises ValueError without norms, which jamba cannot leave out."""
    if not config.bcdt_norm:
        raise ValueError("bcdt_norm must be true: transformers' jamba always norms the steps, B and C")
    norms = (same(f"norms.{index}.weight", f"{theirs}.weight") for index, theirs in enumerate(NORMS))
    return (*scan_rules(), *norms)


def attention_rules(config: Attention) -> Rules:
    """`Attention` over everything without positions as a JambaAttention. Raises ValueError for any other."""
    require(config, "jamba", HEADS, always={"rope": False})
    return projections(config)


def moe_rules(config: MoE) -> Rules:
    """`MoE` whose weights are the router's softmax as a JambaSparseMoeBlock. Raises ValueError for any other."""
    require(config, "jamba", ROUTED)
    require_normalised(config, "jamba", False)
    return (same("router.weight", "router.weight"), *no_routing_bias(config), *experts())


FAMILY = Family(
    name="jamba",
    mixers=(place(Mamba, "mamba.", mixer_rules), place(Attention, "self_attn.", attention_rules)),
    channels=(place(SwiGLU, "feed_forward.", channel_rules), place(MoE, "feed_forward.", moe_rules)),
    last_norm="model.final_layernorm",
    channel_norm="pre_ff_layernorm",
)


def rules(architecture: Architecture) -> Rules:
    """A whole `JambaForCausalLM`. Raises ValueError, naming the field, for an architecture that it cannot hold.

    Theirs has its attention, and its experts, at regular distances; so must ours.
    """
    found, core = FAMILY.rules(architecture), architecture.core
    if not _regular([isinstance(mixer, Attention) for layer in core for mixer in layer.mixers]):
        raise ValueError("core: transformers' jamba has attention in every n-th layer, counted from any one below n")
    if not _regular([isinstance(layer.channel, MoE) for layer in core]):
        raise ValueError("core: transformers' jamba has moe in every n-th layer, counted from any one below n")
    widths = {_width(part) for _, part in architecture.parts()} - {None}
    if len(widths) > 1:
        raise ValueError(f"d_expert: transformers' jamba has one width for experts and others, not {widths}")
    return found


def _width(part: Primitive) -> int | None:
    """Hidden width of a channel part."""
    if isinstance(part, SwiGLU):
        return part.d_ff
    return part.d_expert if isinstance(part, MoE) else None


def _regular(chosen: list[bool]) -> bool:
    """Whether those chosen are i, i + n, i + 2 n, ... for some i below some n."""
    places = [index for index, is_chosen in enumerate(chosen) if is_chosen]
    if not places:
        return True
    periods = range(places[0] + 1, len(chosen) + 1)
    return any(places == list(range(places[0], len(chosen), period)) for period in periods)
