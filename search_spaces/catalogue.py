"""The catalogue: every decision a space may leave open, in the order they are made.

*Macro* mode: a ratio and a placement decide which layers have attention. *Micro* mode: every layer position decides for
itself. The knobs of a mixer or channel part are shared by all layers that have it.
"""

from collections.abc import Mapping
from functools import lru_cache, partial

from search_spaces.genes import Facts, Gene, GeneValue, LayerList, Mode, Number, OneOf, layer_list

LINEAR_MIXERS = ("mamba2", "retnet", "gla", "gated_deltanet", "short_conv")
MAX_DEPTH: dict[Mode, int] = {"macro": 256, "micro": 32}


def attention_count(depth: int, ratio: GeneValue) -> int:
    """Layers with attention at a ratio: the nearest whole number, halves rounded up."""
    return int(float(ratio) * depth + 0.5)


def _learn_depth(facts: Facts, value: GeneValue) -> Facts:
    return facts._replace(depth=int(value))


def _learn_placement(facts: Facts, value: GeneValue) -> Facts:
    return facts.learning({"explicit" if value == "explicit" else "ratio"})


def _learn_ratio(facts: Facts, value: GeneValue) -> Facts:
    return _learn_attention(facts, attention_count(facts.depth, value))


def _learn_layers(facts: Facts, value: GeneValue) -> Facts:
    return _learn_attention(facts, len(layer_list(value)))


def _learn_attention(facts: Facts, count: int) -> Facts:
    found = [*(["attention"] if count else []), *(["linear"] if count < facts.depth else [])]
    return Facts(facts.known.union(found))


def _learn_loops(facts: Facts, value: GeneValue) -> Facts:
    return facts.learning({"loops"}) if int(value) > 1 else facts


def _learn_word(meanings: Mapping[str, tuple[str, ...]], facts: Facts, value: GeneValue) -> Facts:
    return facts.learning(meanings[str(value)])


def _learn_channel(layer: int, facts: Facts, value: GeneValue) -> Facts:
    depth = 0 if facts.depth == layer + 1 else facts.depth
    return Facts(facts.known.union(_CHANNELS[str(value)]), depth)


_RECURRENT = ("linear", "recurrence")
MIXERS: dict[str, tuple[str, ...]] = {
    "attention": ("attention",),
    "mamba2": (*_RECURRENT, "conv"),
    "retnet": _RECURRENT,
    "gla": _RECURRENT,
    "gated_deltanet": (*_RECURRENT, "conv"),
    "short_conv": ("linear", "short_conv"),
}
"""What each mixer's word lets later genes know."""

# in micro mode a position may also have no mixer, or attention beside a linear mixer
_MICRO_MIXERS: dict[str, tuple[str, ...]] = {
    **MIXERS,
    **{f"attention+{name}": ("attention", "parallel", *MIXERS[name]) for name in LINEAR_MIXERS},
    "none": (),
}
_MOE = ("channel", "moe")
_CHANNELS: dict[str, tuple[str, ...]] = {
    "none": (),
    "dense": ("channel",),
    "moe": _MOE,
    "moe_fine": (*_MOE, "fine"),
    "moe_shared": (*_MOE, "fine", "shared"),
}
_FUSIONS: dict[str, tuple[str, ...]] = {"serial": (), "parallel_add": ("linear",), "parallel_norm_mean": ("linear",)}

_WIDTH = Gene(name="d_model", title="Width of the residual stream", limits=Number(4, 65_536), default=64)


def _depth(mode: Mode) -> Gene:
    return Gene(
        name="depth",
        title="Layers with weights of their own",
        limits=Number(1, MAX_DEPTH[mode]),
        default=4,
        learn=_learn_depth,
    )


_LAYOUT = (
    Gene(
        name="placement",
        title="Where the layers with attention stand; bottom is next to the input",
        limits=OneOf(("interleaved", "bottom", "middle", "top", "explicit")),
        default="interleaved",
        learn=_learn_placement,
    ),
    Gene(
        name="attention_ratio",
        title="Share of the layers that have attention, rounded to whole layers",
        limits=Number(0, 1, whole=False),
        default=0.25,
        needs="ratio",
        learn=_learn_ratio,
    ),
    Gene(
        name="attention_layers",
        title="Positions of the layers that have attention",
        limits=LayerList(MAX_DEPTH["macro"]),
        default="",
        needs="explicit",
        learn=_learn_layers,
    ),
    Gene(
        name="fusion",
        title="Attention instead of the linear mixer (serial), or beside it: summed, or averaged after a norm each",
        limits=OneOf(tuple(_FUSIONS)),
        default="serial",
        needs="attention",
        learn=partial(_learn_word, _FUSIONS),
    ),
    Gene(
        name="linear_mixer",
        title="Mixer of the layers without attention",
        limits=OneOf(LINEAR_MIXERS),
        default="mamba2",
        needs="linear",
        learn=partial(_learn_word, MIXERS),
    ),
)

_MIXER_KNOBS = (
    Gene(
        name="n_heads",
        title="Attention heads; their width is d_model / n_heads",
        limits=Number(1, 256),
        default=4,
        needs="attention",
    ),
    Gene(
        name="n_kv_heads",
        title="Key/value heads shared by the attention heads",
        limits=Number(1, 256, words=("all",)),
        default="all",
        needs="attention",
    ),
    Gene(
        name="window",
        title="Tokens attention sees, itself included; 0 for all",
        limits=Number(0, 1_000_000),
        default=0,
        needs="attention",
    ),
    Gene(
        name="rope",
        title="Rotary positions in attention",
        limits=OneOf((True, False)),
        default=True,
        needs="attention",
    ),
    Gene(
        name="qk_norm",
        title="RMSNorm on attention's queries and keys",
        limits=OneOf((False, True)),
        default=False,
        needs="attention",
    ),
    Gene(
        name="linear_heads",
        title="Heads of the recurrence",
        limits=Number(1, 256),
        default=4,
        needs="recurrence",
    ),
    Gene(
        name="state_size",
        title="Key width of one recurrence head: rows of its state",
        limits=Number(1, 512),
        default=16,
        needs="recurrence",
    ),
    Gene(
        name="expand",
        title="Value width of the recurrence, in multiples of d_model",
        limits=Number(1, 8),
        default=2,
        needs="recurrence",
    ),
    Gene(
        name="conv_width",
        title="Tokens under the convolution in front of a mamba2 or gated_deltanet recurrence",
        limits=Number(2, 16),
        default=4,
        needs="conv",
    ),
    Gene(
        name="short_conv_width",
        title="Tokens under the gated short convolution",
        limits=Number(2, 64),
        default=3,
        needs="short_conv",
    ),
)

_MACRO_CHANNEL = (
    Gene(
        name="channel",
        title="Channel part of the layers: SwiGLU, whole experts, experts split finer, or some of those used by every token",
        limits=OneOf(tuple(_CHANNELS)),
        default="dense",
        learn=partial(_learn_word, _CHANNELS),
    ),
    Gene(
        name="moe_period",
        title="Every how many layers the channel part is moe; it is dense in between",
        limits=Number(1, MAX_DEPTH["macro"]),
        default=1,
        needs="moe",
    ),
)

_CHANNEL_KNOBS = (
    Gene(
        name="ffn_ratio",
        title="Hidden width one token uses, in multiples of d_model, rounded to a multiple of 8; shared by active experts",
        limits=Number(0.125, 32, whole=False),
        default=2.0,
        needs="channel",
    ),
    Gene(
        name="n_experts",
        title="Experts, before they are split",
        limits=Number(2, 4096),
        default=4,
        needs="moe",
    ),
    Gene(
        name="top_k",
        title="Experts a token uses, before they are split",
        limits=Number(1, 64),
        default=2,
        needs="moe",
    ),
    Gene(
        name="granularity",
        title="Parts each expert is split into; a token uses as many times more of them",
        limits=Number(1, 64),
        default=2,
        needs="fine",
    ),
    Gene(
        name="n_shared",
        title="Of the experts a token uses, after splitting, how many are the same for every token",
        limits=Number(1, 63),
        default=1,
        needs="shared",
    ),
    Gene(
        name="balance",
        title="What keeps the experts evenly used: an auxiliary loss, or a bias on the choice",
        limits=OneOf(("loss", "bias")),
        default="loss",
        needs="moe",
    ),
)

_LOOPS = (
    Gene(name="n_loops", title="Times the core runs", limits=Number(1, 64), default=1, learn=_learn_loops),
    Gene(
        name="n_prelude",
        title="Layers before the core, run once",
        limits=Number(0, 255),
        default=0,
        needs="loops",
    ),
    Gene(
        name="n_coda",
        title="Layers after the core, run once",
        limits=Number(0, 255),
        default=0,
        needs="loops",
    ),
    Gene(
        name="injection",
        title="Whether every loop adds the core's input again",
        limits=OneOf(("none", "add")),
        default="none",
        needs="loops",
    ),
)

MACRO = (_WIDTH, _depth("macro"), *_LAYOUT, *_MIXER_KNOBS, *_MACRO_CHANNEL, *_CHANNEL_KNOBS, *_LOOPS)


def genes_of(mode: Mode, n_layers: int) -> tuple[Gene, ...]:
    """Every gene of a mode, in the order of decision, for spaces of at most `n_layers` layers."""
    return MACRO if mode == "macro" else micro(n_layers)


@lru_cache(maxsize=MAX_DEPTH["micro"])
def micro(n_layers: int) -> tuple[Gene, ...]:
    """The catalogue of micro mode for spaces of at most `n_layers` layers: two genes for each position."""
    positions = [gene for layer in range(n_layers) for gene in _position(layer)]
    return (_WIDTH, _depth("micro"), *positions, _PARALLEL_FUSION, *_MIXER_KNOBS, *_CHANNEL_KNOBS, *_LOOPS)


_PARALLEL_FUSION = Gene(
    name="fusion",
    title="How parallel mixers join: summed, or averaged after a norm each",
    limits=OneOf(("parallel_add", "parallel_norm_mean")),
    default="parallel_add",
    needs="parallel",
)


def _position(layer: int) -> tuple[Gene, Gene]:
    mixer = Gene(
        name=f"layer{layer}.mixer",
        title=f"Mixer of layer {layer}; the values for layer*.mixer where it is not named",
        limits=OneOf(tuple(_MICRO_MIXERS)),
        default="attention",
        layer=layer,
        learn=partial(_learn_word, _MICRO_MIXERS),
    )
    channel = Gene(
        name=f"layer{layer}.channel",
        title=f"Channel part of layer {layer}; the values for layer*.channel where it is not named",
        limits=OneOf(tuple(_CHANNELS)),
        default="dense",
        layer=layer,
        learn=partial(_learn_channel, layer),
    )
    return mixer, channel
