"""An upper bound on the parameters of every architecture in a space, from the corners of its values.

A part's parameters are convex in each of its knobs while the others are held, and grow with d_model. So among all
allowed knobs the extremes have the most, and a space of 10^12-parameter models is refused without building one.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import product

from search_spaces.allowed import Allowed, Values
from search_spaces.architecture import TokenInput
from search_spaces.cost import MAX_PARAMS
from search_spaces.decoding import MIXERS, ffn_width
from search_spaces.genes import GeneValue
from search_spaces.primitives import CostContext, Primitive, Problem
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.swiglu import SwiGLU

_RECURRENCE_KNOBS = ("linear_heads", "state_size", "expand", "conv_width")
_KNOBS: dict[str, tuple[str, ...]] = {
    "attention": ("n_heads", "n_kv_heads", "qk_norm"),
    "mamba2": _RECURRENCE_KNOBS,
    "retnet": _RECURRENCE_KNOBS,
    "gla": _RECURRENCE_KNOBS,
    "gated_deltanet": _RECURRENCE_KNOBS,
    "short_conv": ("short_conv_width",),
}
_ANYWHERE = CostContext(context_length=1)


def oversized(allowed: Allowed, possible: frozenset[str], tokens: TokenInput) -> Iterator[Problem]:
    """A problem when some assignment of an otherwise feasible space may have more than `MAX_PARAMS` parameters."""
    bound = params_bound(allowed, possible, tokens)
    if bound > MAX_PARAMS:
        where = f"with d_model {allowed['d_model'][-1]} and depth {allowed['depth'][-1]}"
        reason = f"{where} an architecture may have {bound:,} parameters; at most {MAX_PARAMS:,}"
        yield Problem("d_model", f"{reason}: lower d_model, depth, ffn_ratio, n_experts or vocab_size")


def params_bound(allowed: Allowed, possible: frozenset[str], tokens: TokenInput) -> int:
    """No assignment of a feasible space has more parameters."""
    d_model = int(allowed["d_model"][-1])
    heaviest: dict[str, int] = {"none": 0}
    total = (1 if tokens.tie_embeddings else 2) * tokens.vocab_size * d_model + d_model
    averaged = "parallel_norm_mean" in allowed["fusion"]
    for (mixers, channels), layers in Counter(_choices(allowed, possible)).items():
        for name in {name for word in mixers for name in word.split("+")} - heaviest.keys():
            heaviest[name] = _heaviest_mixer(name, allowed)
        total += layers * max(_mixers_params(word, heaviest, d_model, averaged) for word in mixers)
        total += layers * max(_channel_params(word, allowed) for word in channels)
    return total


def _choices(allowed: Allowed, possible: frozenset[str]) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """What each position may have: words for its mixers, words for its channel part."""
    depth = int(allowed["depth"][-1])
    if "linear_mixer" not in allowed:
        return [(_words(allowed[f"layer{at}.mixer"]), _words(allowed[f"layer{at}.channel"])) for at in range(depth)]
    linear = _words(allowed["linear_mixer"]) if "linear" in possible else ()
    mixers = linear
    if "attention" in possible:
        beside = tuple(f"attention+{name}" for name in linear) if allowed["fusion"] != ("serial",) else ()
        mixers = ("attention", *linear, *beside)
    channels = _words(allowed["channel"])
    return [(mixers, (*channels, "dense") if "moe" in possible else channels)] * depth


def _words(values: Values) -> tuple[str, ...]:
    return tuple(str(value) for value in values)


def _mixers_params(word: str, heaviest: dict[str, int], d_model: int, averaged: bool) -> int:
    """Parallel mixers may each have a norm of their own beside the layer's."""
    names = [name for name in word.split("+") if name != "none"]
    norms = bool(names) + (len(names) if averaged and len(names) > 1 else 0)
    return sum(heaviest[name] for name in names) + norms * d_model


def _heaviest_mixer(name: str, allowed: Allowed) -> int:
    """Most parameters of one mixer over the corners of its knobs, at the widest d_model."""
    d_model = int(allowed["d_model"][-1])
    fixed = {gene: values[0] for gene, values in allowed.items()} | {"d_model": d_model}
    knobs = _KNOBS[name]
    corners = (dict(zip(knobs, values, strict=True)) for values in product(*(_corners(allowed[k]) for k in knobs)))
    return max(_params(MIXERS[name](fixed | corner), d_model) for corner in corners)


def _corners(values: Values) -> tuple[GeneValue, ...]:
    """The extremes of the numbers, and every word."""
    numbers = [value for value in values if not isinstance(value, str)]
    return (*dict.fromkeys((*numbers[:1], *numbers[-1:])), *(value for value in values if isinstance(value, str)))


def _channel_params(word: str, allowed: Allowed) -> int:
    """Most parameters of one channel part and its norm."""
    d_model = int(allowed["d_model"][-1])
    if word == "none":
        return 0
    width = ffn_width(d_model, float(allowed["ffn_ratio"][-1]))
    part: Primitive = SwiGLU(d_ff=width) if word == "dense" else _heaviest_moe(word, width, allowed)
    return _params(part, d_model) + d_model


def _heaviest_moe(word: str, width: int, allowed: Allowed) -> MoE:
    """At least as large as any allowed one: an expert's width is rounded up, so its corner is one wider."""
    parts = 1 if word == "moe" else int(allowed["granularity"][-1])
    used = int(allowed["top_k"][0]) * parts
    return MoE(n_experts=int(allowed["n_experts"][-1]) * parts, top_k=1, d_expert=-(-width // used) + (parts > 1))


def _params(part: Primitive, d_model: int) -> int:
    return part.cost(d_model, _ANYWHERE).params
