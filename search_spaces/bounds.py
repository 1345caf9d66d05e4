"""An upper bound on the parameters of every architecture in a space, from the corners of its values.

A part's parameters are convex in each of its knobs while the others are held, and grow with d_model. So among all
allowed knobs the extremes have the most: the heaviest layer of every position, priced together with the heaviest
options of the whole model, bounds all members, and a space of 10^12-parameter models is refused without building one.
"""

from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import product

from search_spaces.allowed import Allowed, Values
from search_spaces.architecture import Architecture, Input, Layer
from search_spaces.catalogue import MIXERS
from search_spaces.cost import MAX_PARAMS, price
from search_spaces.genes import GeneValue
from search_spaces.layer_cost import Stream, price_layer
from search_spaces.options.channels import OPTIONS as CHANNELS
from search_spaces.options.channels import ROUTED, ffn_width
from search_spaces.options.composition import LAYER_FUSION
from search_spaces.options.loops import loops
from search_spaces.options.numerics import numerics
from search_spaces.options.option import Assignment
from search_spaces.primitives import Channel, CostContext, Mixer, Primitive, Problem
from search_spaces.primitives.moe import MoE

_ANYWHERE = CostContext(context_length=1)
_RISING = ("n_loops", "loop_norm", "step_embedding", "n_streams", "n_meta", "mtp", "next_latent")
"""Genes of the whole model whose last value makes most parameters."""
_WORDS = ("injection", "loop_depth", "norm")
"""Those whose words have to be compared."""

Words = tuple[tuple[str, ...], tuple[str, ...]]
MixerOf = Callable[[str, int], Mixer]
"""The heaviest mixer of a word at a width."""


def oversized(allowed: Allowed, bound: int) -> Iterator[Problem]:
    """A problem when some assignment of an otherwise feasible space may have more than `MAX_PARAMS` parameters."""
    if bound > MAX_PARAMS:
        where = f"with d_model {allowed['d_model'][-1]} and depth {allowed['depth'][-1]}"
        reason = f"{where} an architecture may have {bound:,} parameters; at most {MAX_PARAMS:,}"
        yield Problem("d_model", f"{reason}: lower d_model, depth, ffn_ratio, n_experts or vocab_size")


def params_bound(allowed: Allowed, possible: frozenset[str], source: Input) -> int:
    """No assignment of a feasible space has more parameters."""
    positions, mixer_of = _choices(allowed, possible), cache(partial(_heaviest_mixer, allowed))
    heaviest = {words: _heaviest_layer(words, allowed, possible, mixer_of) for words in set(positions)}
    layers = _heaviest_last([heaviest[words] for words in positions], allowed)
    rising = {gene: allowed[gene][-1] for gene in ("d_model", *_RISING)}
    fixed = {gene: values[0] for gene, values in allowed.items()} | rising
    most = _heaviest_words(lambda words: _params(layers, {**fixed, **words}, source), allowed)
    return most + (_loop_gates(positions, allowed) if "first_keys" in possible else 0)


def _heaviest_words(params: Callable[[Assignment], int], allowed: Allowed) -> int:
    """The most parameters over all words of `_WORDS`: what each adds does not depend on the others, so each is chosen alone."""
    words = {gene: allowed[gene][0] for gene in _WORDS}
    for gene in _WORDS:
        weights = {value: params({**words, gene: value}) for value in allowed[gene]}
        words[gene] = max(weights, key=weights.__getitem__)
    return params(words)


def _heaviest_last(layers: list[Layer], allowed: Allowed) -> tuple[Layer, ...]:
    """The layers with the heaviest at the end of those that may be last: heads for more tokens repeat the last layer."""
    d_model = int(allowed["d_model"][-1])
    last = max((int(depth) - 1 for depth in allowed["depth"]), key=lambda at: _layer_weight(layers[at], d_model))
    return (*layers[:last], *layers[last + 1 :], layers[last])


def _loop_gates(positions: list[Words], allowed: Allowed) -> int:
    """The gates that mix a loop's own keys with the first loop's, in every layer that may have them."""
    if "first" not in allowed["loop_kv"] or not allowed["loop_window"][-1]:
        return 0
    n_layers = sum(any(word.split("+")[0] == "attention" for word in mixers) for mixers, _ in positions)
    return n_layers * (int(allowed["d_model"][-1]) + 1) * int(allowed["n_heads"][-1])


def _params(layers: tuple[Layer, ...], assignment: Assignment, source: Input) -> int:
    fields = {**loops(assignment), **numerics(assignment), "d_model": assignment["d_model"]}
    return price(Architecture.model_validate({"input": source, "core": layers, **fields}), _ANYWHERE).params


def _choices(allowed: Allowed, possible: frozenset[str]) -> list[Words]:
    """What each position may have: words for its mixers, words for its channel part."""
    depth = int(allowed["depth"][-1])
    if "linear_mixer" not in allowed:
        return [(_words(allowed[f"layer{at}.mixer"]), _words(allowed[f"layer{at}.channel"])) for at in range(depth)]
    linear = _words(allowed["linear_mixer"]) if "linear" in possible else ()
    mixers = linear
    if "slot" in possible:
        slot = _words(allowed["attention_mixer"])
        beside = tuple(f"{one}+{other}" for one in slot for other in linear) if allowed["fusion"] != ("serial",) else ()
        mixers = (*slot, *linear, *beside)
    channels = _words(allowed["channel"])
    return [(mixers, (*channels, "dense") if "moe" in possible else channels)] * depth


def _words(values: Values) -> tuple[str, ...]:
    return tuple(str(value) for value in values)


def _heaviest_layer(words: Words, allowed: Allowed, possible: frozenset[str], mixer_of: MixerOf) -> Layer:
    """The layer with the most parameters: its mixers and its channel part add up, so each is chosen alone."""
    d_model, capacity = int(allowed["d_model"][-1]), 0.5 if "skipping" in possible else None
    mixers = [layer for word in words[0] for layer in _mixer_layers(word, allowed, mixer_of)]
    channels = [channel for word in words[1] if (channel := _heaviest_channel(word, allowed)) is not None]
    channel = max(channels, key=lambda part: _weight(part, d_model), default=None)
    heaviest = max(mixers, key=lambda layer: _layer_weight(layer, d_model), default=None)
    joined = {} if heaviest is None else {"mixers": heaviest.mixers, "fusion": heaviest.fusion, "widths": heaviest.widths}
    return Layer.model_validate({**joined, "channel": channel, "capacity": capacity})


def _mixer_layers(word: str, allowed: Allowed, mixer_of: MixerOf) -> Iterator[Layer]:
    """A layer of these mixers at their heaviest, joined in every allowed way; none for the word "none"."""
    d_model, names = int(allowed["d_model"][-1]), word.split("+")
    if word == "none":
        return
    if len(names) == 1:
        yield Layer(mixers=(mixer_of(word, d_model),))
    for fusion in _words(allowed["fusion"]):
        if len(names) > 1 and fusion in LAYER_FUSION:
            widths = (d_model // 2, d_model - d_model // 2) if fusion == "parallel_split" else None
            at = widths or (d_model,) * len(names)
            mixers = tuple(mixer_of(name, width) for name, width in zip(names, at, strict=True))
            yield Layer.model_validate({"mixers": mixers, "fusion": LAYER_FUSION[fusion], "widths": widths})


def _heaviest_mixer(allowed: Allowed, name: str, width: int) -> Mixer:
    """The mixer with most parameters over the corners of its knobs, at each with the heaviest of every extra."""
    option = MIXERS[name]
    fixed = {gene: values[0] for gene, values in allowed.items()} | {"d_model": allowed["d_model"][-1]}

    def built(assignment: Assignment) -> Mixer:
        return option.build({**fixed, **assignment}, width)

    def weight_with(knobs: Assignment, extra: str, value: GeneValue) -> int:
        return _weight(built({**knobs, extra: value}), width)

    def heaviest_at(corner: Assignment) -> Mixer:
        best = dict(corner)
        for extra in option.extras:
            values = _corners(allowed[extra])
            best[extra] = max(values, key=partial(weight_with, best, extra))
        return built(best)

    return max(map(heaviest_at, _corners_of(option.knobs, allowed)), key=lambda part: _weight(part, width))


def _heaviest_channel(word: str, allowed: Allowed) -> Channel | None:
    if word in ROUTED:
        return _heaviest_moe(word, allowed)
    fixed = {gene: values[0] for gene, values in allowed.items()} | {"d_model": allowed["d_model"][-1]}
    corners = [CHANNELS[word].build(fixed | corner) for corner in _corners_of(CHANNELS[word].knobs, allowed)]
    parts = [part for part in corners if part is not None]
    return max(parts, key=lambda part: _weight(part, int(fixed["d_model"])), default=None)


def _heaviest_moe(word: str, allowed: Allowed) -> MoE:
    """At least as large as any allowed one: an expert's width is rounded up, so its corner is one wider."""
    width = ffn_width(int(allowed["d_model"][-1]), float(allowed["ffn_ratio"][-1]))
    parts = int(allowed["granularity"][-1]) if "fine" in CHANNELS[word].facts else 1
    used = 1 if word == "switch" else int(allowed["top_k"][0]) * parts
    shares = "shared" in CHANNELS[word].facts
    return MoE(
        n_experts=int(allowed["n_experts"][-1]) * parts - shares,
        top_k=1,
        d_expert=-(-width // used) + (parts > 1),
        n_shared=int(shares),
        n_zero=int(allowed["n_zero"][-1]),
        shared_gate=shares and True in allowed["shared_gate"],
    )


def _corners_of(genes: tuple[str, ...], allowed: Allowed) -> Iterator[dict[str, GeneValue]]:
    """Every combination of the genes' extremes."""
    yield from (dict(zip(genes, values, strict=True)) for values in product(*(_corners(allowed[gene]) for gene in genes)))


def _corners(values: Values) -> tuple[GeneValue, ...]:
    """The extremes of the numbers, and every word."""
    if isinstance(values, range):
        return tuple(dict.fromkeys((values[0], values[-1])))
    numbers = [value for value in values if not isinstance(value, str)]
    return (*dict.fromkeys((*numbers[:1], *numbers[-1:])), *(value for value in values if isinstance(value, str)))


def _weight(part: Primitive, width: int) -> int:
    return part.cost(width, _ANYWHERE).params


def _layer_weight(layer: Layer, d_model: int) -> int:
    # with the norm that weighs most: how branches join decides how many there are
    return price_layer(layer, Stream(d_model, "dyt"), _ANYWHERE).params
