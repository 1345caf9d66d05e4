"""The catalogue: every decision a space may leave open, in the order they are made.

*Macro* mode: a ratio and a placement decide which layers have attention. *Micro* mode: every layer position decides for
itself. The knobs of a mixer or channel part are shared by all layers that have it. What each word builds is in `options/`.
"""

from collections.abc import Mapping
from functools import lru_cache, partial

from search_spaces.genes import Facts, Gene, GeneValue, Mode, Number, OneOf
from search_spaces.options import attention, channels, composition, layout, linear, loops, numerics
from search_spaces.options.option import MixerOption

ATTENTION_MIXERS = tuple(attention.OPTIONS)
LINEAR_MIXERS = tuple(linear.OPTIONS)
MIXERS: dict[str, MixerOption] = {**attention.OPTIONS, **linear.OPTIONS}
MAX_DEPTH: dict[Mode, int] = {"macro": layout.MAX_MACRO_DEPTH, "micro": 32}

_MIXER_FACTS = {name: (name, *option.facts) for name, option in MIXERS.items()}
"""What each mixer's word lets later genes know."""
_MICRO_FACTS: dict[str, tuple[str, ...]] = {
    # in micro mode a position may also have no mixer, or attention beside a linear mixer
    **_MIXER_FACTS,
    **{f"attention+{name}": ("parallel", *_MIXER_FACTS["attention"], *_MIXER_FACTS[name]) for name in LINEAR_MIXERS},
    "none": (),
}
_CHANNEL_FACTS = {name: option.facts for name, option in channels.OPTIONS.items()}


def _learn_word(meanings: Mapping[str, tuple[str, ...]], facts: Facts, value: GeneValue) -> Facts:
    return facts.learning(meanings[str(value)])


def _learn_depth(facts: Facts, value: GeneValue) -> Facts:
    return facts._replace(depth=int(value))


def _learn_channel(layer: int, facts: Facts, value: GeneValue) -> Facts:
    depth = 0 if facts.depth == layer + 1 else facts.depth
    return Facts(facts.known.union(_CHANNEL_FACTS[str(value)]), depth)


def _learn_period(facts: Facts, value: GeneValue) -> Facts:
    return facts.learning(_CHANNEL_FACTS["dense"]) if int(value) > 1 else facts


_WIDTH = Gene(name="d_model", title="Width of the residual stream", limits=Number(4, 65_536), default=64)


def _depth(mode: Mode) -> Gene:
    return Gene(
        name="depth",
        title="Layers with weights of their own",
        limits=Number(1, MAX_DEPTH[mode]),
        default=4,
        learn=_learn_depth,
    )


_MACRO_MIXERS = (
    Gene(
        name="fusion",
        title="Attention instead of the linear mixer (serial), or beside it: summed, averaged after a norm each, gated, gated "
        "with half of the channels each, or weighted or chosen for each token by a router",
        limits=OneOf(tuple(composition.FUSIONS)),
        default="serial",
        needs="slot",
        learn=partial(_learn_word, composition.FUSIONS),
    ),
    Gene(
        name="attention_mixer",
        title="Mixer of the layers with attention",
        limits=OneOf(ATTENTION_MIXERS),
        default="attention",
        needs="slot",
        learn=partial(_learn_word, _MIXER_FACTS),
    ),
    Gene(
        name="linear_mixer",
        title="Mixer of the layers without attention",
        limits=OneOf(LINEAR_MIXERS),
        default="mamba2",
        needs="linear",
        learn=partial(_learn_word, _MIXER_FACTS),
    ),
)

_MACRO_CHANNEL = (
    Gene(
        name="channel",
        title="Channel part of the layers: feed-forwards, experts whole or split finer, some of them used by every token",
        limits=OneOf(tuple(_CHANNEL_FACTS)),
        default="dense",
        learn=partial(_learn_word, _CHANNEL_FACTS),
    ),
    Gene(
        name="moe_period",
        title="Every how many layers the channel part has experts; it is dense in between",
        limits=Number(1, MAX_DEPTH["macro"]),
        default=1,
        needs="moe",
        learn=_learn_period,
        switch=True,
    ),
)

_KNOBS = (*attention.KNOBS, *linear.KNOBS)
_SHARED = (*channels.KNOBS, *composition.GENES, *loops.GENES, *numerics.GENES)

MACRO = (_WIDTH, _depth("macro"), *layout.GENES, *_MACRO_MIXERS, *_KNOBS, *_MACRO_CHANNEL, *_SHARED)


def genes_of(mode: Mode, n_layers: int) -> tuple[Gene, ...]:
    """Every gene of a mode, in the order of decision, for spaces of at most `n_layers` layers."""
    return MACRO if mode == "macro" else micro(n_layers)


@lru_cache(maxsize=MAX_DEPTH["micro"])
def micro(n_layers: int) -> tuple[Gene, ...]:
    """The catalogue of micro mode for spaces of at most `n_layers` layers: two genes for each position."""
    positions = [gene for layer in range(n_layers) for gene in _position(layer)]
    return (_WIDTH, _depth("micro"), *positions, _PARALLEL_FUSION, *_KNOBS, *_SHARED)


_PARALLEL_FUSION = Gene(
    name="fusion",
    title="How parallel mixers join: summed, averaged after a norm each, gated, gated with half of the channels each, or "
    "weighted or chosen for each token by a router",
    limits=OneOf(tuple(composition.LAYER_FUSION)),
    default="parallel_add",
    needs="parallel",
)


def _position(layer: int) -> tuple[Gene, Gene]:
    mixer = Gene(
        name=f"layer{layer}.mixer",
        title=f"Mixer of layer {layer}; the values for layer*.mixer where it is not named",
        limits=OneOf(tuple(_MICRO_FACTS)),
        default="attention",
        layer=layer,
        learn=partial(_learn_word, _MICRO_FACTS),
    )
    channel = Gene(
        name=f"layer{layer}.channel",
        title=f"Channel part of layer {layer}; the values for layer*.channel where it is not named",
        limits=OneOf(tuple(_CHANNEL_FACTS)),
        default="dense",
        layer=layer,
        learn=partial(_learn_channel, layer),
    )
    return mixer, channel
