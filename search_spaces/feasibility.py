"""Whether every assignment of a space can be built, in closed form: no assignment is enumerated.

Each rule is a divisibility or monotone in every gene, so the greatest common divisor or the extremes of the allowed
values decide. The rules ask that every allowed value fits every other, whether or not the two can meet.
"""

from collections.abc import Callable, Iterator
from itertools import chain
from math import gcd

from search_spaces.allowed import Allowed, Values
from search_spaces.architecture import MAX_UNROLLED_LAYERS
from search_spaces.catalogue import MIXERS
from search_spaces.genes import layer_list, listed
from search_spaces.inputs import Input, TokenInput
from search_spaces.loop import MAX_LOOPS, ROUTED_DEPTHS
from search_spaces.options.attention import ROTARY_SHARES
from search_spaces.options.channels import ffn_width
from search_spaces.primitives import Problem

EVEN_STATES = {
    "recurrence": "rotary positions turn pairs",
    "retnet": "rotary positions turn pairs",
    "s4d": "states are complex pairs",
    "h3": "states are complex pairs",
}
MAX_HEAD_DIM = 512
MAX_HIDDEN = 262_144
MAX_EXPERTS, MAX_ACTIVE_EXPERTS = 4096, 64


def impossible(allowed: Allowed, possible: frozenset[str], source: Input) -> Iterator[Problem]:
    """What keeps some assignment from being built.

    `allowed` has the values of every gene of the catalogue, `possible` every fact that some assignment makes true.
    """
    rules: dict[str, Callable[[Allowed], Iterator[Problem]]] = {
        "softmax": _attention_rules,
        "mla": _mla_rules,
        "h3": _h3_rules,
        "explicit": _explicit_rules,
        "heads": _recurrence_rules,
        "whole_heads": _whole_head_rules,
        "state": _state_rules,
        "channel": _channel_rules,
        "moe": _period_rules,
        "chosen": _expert_rules,
        "fine": _fine_rules,
        "shared": _shared_rules,
        "skipping": _skipping_rules,
        "loops": _loop_rules,
    }
    yield from _split_rules(allowed)
    yield from chain.from_iterable(rule(allowed) for fact, rule in rules.items() if fact in possible)
    yield from _layer_rules(allowed)
    yield from _encoder_rules(allowed, possible)
    yield from _input_rules(allowed, possible, source)


def _widths(allowed: Allowed) -> int:
    """What divides every width that a mixer may have: d_model, or half of it beside another mixer."""
    common = _divisor(allowed["d_model"])
    return common // 2 if "parallel_split" in allowed["fusion"] and common % 2 == 0 else common


def _narrowest(allowed: Allowed) -> int:
    least = _least(allowed["d_model"])
    return least // 2 if "parallel_split" in allowed["fusion"] else least


def _split_rules(allowed: Allowed) -> Iterator[Problem]:
    if "parallel_split" in allowed["fusion"] and _divisor(allowed["d_model"]) % 2:
        yield Problem("fusion", '"parallel_split" halves d_model, so every allowed d_model must be even; drop one of them')


def _attention_rules(allowed: Allowed) -> Iterator[Problem]:
    common, heads, unit = _widths(allowed), allowed["n_heads"], _rotary_unit(allowed)
    wrong = [head for head in heads if common % (unit * int(head))]
    if wrong:
        whole = (
            f"a width that is a multiple of {unit}, as rotary_share needs," if unit > 2 else "an even width, which rope needs,"
        )
        rule = f"gives heads of {whole if unit > 1 else 'a whole width'} at every allowed d_model"
        counts = _divisors(common // unit) or f"none, unless every d_model is a multiple of {unit}"
        yield Problem("n_heads", f"{listed(wrong)}: no such count {rule}; allowed: {counts}")
    yield from _head_width(allowed, "n_heads", 1)
    shared = _divisor(heads)
    wrong = [kv for kv in allowed["n_kv_heads"] if kv != "all" and shared % int(kv)]
    if wrong:
        reason = f'{listed(wrong)} must divide every allowed n_heads; allowed: "all", {_divisors(shared)}'
        yield Problem("n_kv_heads", reason)


def _rotary_unit(allowed: Allowed) -> int:
    """What must divide the width of a head: rotary positions turn pairs of the channels in their share."""
    if True not in allowed["rope"]:
        return 1
    return 2 * max(round(1 / ROTARY_SHARES[str(share)]) for share in allowed["rotary_share"])


def _mla_rules(allowed: Allowed) -> Iterator[Problem]:
    odd = [size for size in allowed["rope_dim"] if int(size) % 2]
    if odd and True in allowed["rope"]:
        yield Problem("rope_dim", f"{listed(odd)} must be even, because rotary positions turn pairs; or set rope to false")


def _h3_rules(allowed: Allowed) -> Iterator[Problem]:
    wrong = [size for size in allowed["h3_head_dim"] if _widths(allowed) % int(size)]
    if wrong:
        reason = f"{listed(wrong)} must divide every allowed d_model; allowed: {_divisors(_widths(allowed))}"
        yield Problem("h3_head_dim", reason)


def _whole_head_rules(allowed: Allowed) -> Iterator[Problem]:
    wrong = [heads for heads in allowed["linear_heads"] if _widths(allowed) % int(heads)]
    if wrong:
        reason = f"{listed(wrong)} must divide every allowed d_model, which rwkv and rg_lru split"
        yield Problem("linear_heads", f"{reason}; allowed: {_divisors(_widths(allowed))}")
    if _narrowest(allowed) < 2 * _most(allowed["linear_heads"]):
        reason = f"{_most(allowed['linear_heads'])} heads over a width of {_narrowest(allowed)} are narrower than 2 each"
        yield Problem("linear_heads", f"{reason}; use at most {_narrowest(allowed) // 2}")


def _state_rules(allowed: Allowed) -> Iterator[Problem]:
    odd = [size for size in allowed["state_size"] if int(size) % 2]
    paired = sorted((mixer_names(allowed) & EVEN_STATES.keys()) - {"recurrence"})
    if True in allowed["rec_rope"] and "recurrence" in mixer_names(allowed):
        paired.append("recurrence")
    if odd and paired:
        yield Problem("state_size", f"{listed(odd)} must be even, because {paired[0]}'s {EVEN_STATES[paired[0]]}")


def _recurrence_rules(allowed: Allowed) -> Iterator[Problem]:
    common = _widths(allowed) * _divisor(allowed["expand"])
    wrong = [heads for heads in allowed["linear_heads"] if common % int(heads)]
    if wrong:
        reason = f"{listed(wrong)} must divide every allowed expand * d_model; allowed: {_divisors(common)}"
        yield Problem("linear_heads", reason)
    yield from _head_width(allowed, "linear_heads", _most(allowed["expand"]))


def _head_width(allowed: Allowed, heads: str, expand: int) -> Iterator[Problem]:
    """Heads are at least 1 (attention: 2) and at most `MAX_HEAD_DIM` wide."""
    widest = expand * _most(allowed["d_model"])
    if widest > MAX_HEAD_DIM * _least(allowed[heads]):
        reason = f"{_least(allowed[heads])} heads over a width of {widest} are wider than {MAX_HEAD_DIM} each"
        yield Problem(heads, f"{reason}; use at least {-(-widest // MAX_HEAD_DIM)}")
    narrowest = _narrowest(allowed)
    if heads == "n_heads" and narrowest < 2 * _most(allowed[heads]):
        reason = f"{_most(allowed[heads])} heads over a width of {narrowest} are narrower than 2 each"
        yield Problem(heads, f"{reason}; use at most {narrowest // 2}")


def _explicit_rules(allowed: Allowed) -> Iterator[Problem]:
    depth = _least(allowed["depth"])
    wrong = [layers for layers in allowed["attention_layers"] if max(layer_list(layers), default=0) >= depth]
    if wrong:
        yield Problem("attention_layers", f"{listed(wrong)}: positions must be below the least depth, {depth}")


def _channel_rules(allowed: Allowed) -> Iterator[Problem]:
    d_model = _most(allowed["d_model"])
    if ffn_width(d_model, float(allowed["ffn_ratio"][-1])) > MAX_HIDDEN:
        reason = f"{allowed['ffn_ratio'][-1]} times d_model {d_model} is above {MAX_HIDDEN}"
        yield Problem("ffn_ratio", f"{reason}; use at most {MAX_HIDDEN // d_model}")


def _expert_rules(allowed: Allowed) -> Iterator[Problem]:
    if _most(allowed["top_k"]) > _least(allowed["n_experts"]):
        yield Problem("top_k", f"{_most(allowed['top_k'])} is above the least n_experts, {_least(allowed['n_experts'])}")


def _period_rules(allowed: Allowed) -> Iterator[Problem]:
    if "moe_period" in allowed and _most(allowed["moe_period"]) > _least(allowed["depth"]):
        reason = f"{_most(allowed['moe_period'])} is above the least depth, {_least(allowed['depth'])}"
        yield Problem("moe_period", f"{reason}: no layer would be moe")


def _fine_rules(allowed: Allowed) -> Iterator[Problem]:
    parts = _most(allowed["granularity"])
    for gene, limit in (("n_experts", MAX_EXPERTS), ("top_k", MAX_ACTIVE_EXPERTS)):
        most = _most(allowed[gene])
        if most * parts > limit:
            reason = f"splits {gene} {most} into {most * parts}; at most {limit}"
            yield Problem("granularity", f"{parts} {reason}, so use at most {limit // most}")


def _shared_rules(allowed: Allowed) -> Iterator[Problem]:
    parts = _least(allowed["granularity"])
    room = min(_least(allowed["top_k"]) * parts - 1, _least(allowed["n_experts"]) * parts - 2)
    if _most(allowed["n_shared"]) > room:
        reason = f"leaves no routed expert at the least top_k * granularity, {_least(allowed['top_k']) * parts}"
        yield Problem("n_shared", f"{_most(allowed['n_shared'])} {reason}; use at most {max(room, 0)}")


def _skipping_rules(allowed: Allowed) -> Iterator[Problem]:
    if _most(allowed["capacity_period"]) > _least(allowed["depth"]):
        reason = f"{_most(allowed['capacity_period'])} is above the least depth, {_least(allowed['depth'])}"
        yield Problem("capacity_period", f"{reason}: tokens would skip no layer")


def _loop_rules(allowed: Allowed) -> Iterator[Problem]:
    ends, depth = _most(allowed["n_prelude"]) + _most(allowed["n_coda"]), _least(allowed["depth"])
    if ends >= depth:
        yield Problem("n_prelude", f"n_prelude + n_coda is up to {ends}; at the least depth {depth} no core is left")
    fixed = _least(allowed["n_prelude"]) + _least(allowed["n_coda"])
    n_loops = _most(allowed["n_loops"]) + _most(allowed["eval_loops"])
    if n_loops > MAX_LOOPS:
        yield Problem("eval_loops", f"up to {n_loops} loops would run in evaluation; at most {MAX_LOOPS}")
    unrolled = fixed + (_most(allowed["depth"]) - fixed) * n_loops
    if unrolled > MAX_UNROLLED_LAYERS:
        yield Problem("n_loops", f"up to {unrolled} layers would run; at most {MAX_UNROLLED_LAYERS}: lower it or depth")


def _layer_rules(allowed: Allowed) -> Iterator[Problem]:
    """In micro mode a position may go without a mixer or without a channel part, not without both."""
    for name, mixers in allowed.items():
        channel = name.replace(".mixer", ".channel")
        if name.endswith(".mixer") and "none" in mixers and "none" in allowed[channel]:
            yield Problem(name, f'"none" leaves nothing in the layer where {channel} is "none" too; drop one of them')


def _encoder_rules(allowed: Allowed, possible: frozenset[str]) -> Iterator[Problem]:
    """Mixers that see later tokens, beside options that choose, drop or predict tokens one by one."""
    encoders = sorted(name for name in mixer_names(allowed) & possible if not MIXERS[name].causal)
    if not encoders:
        return
    token_by_token = {
        "token_capacity": "skipping" in possible,
        "fusion": "route_top1" in allowed["fusion"],
        "loop_depth": "loops" in possible and not set(ROUTED_DEPTHS).isdisjoint(allowed["loop_depth"]),
        "mtp": _most(allowed["mtp"]) > 0,
        "next_latent": True in allowed["next_latent"],
    }
    for gene in (gene for gene, open_to in token_by_token.items() if open_to):
        yield Problem(gene, f"works token by token, and {encoders[0]} sees later tokens; drop one of them")


def _input_rules(allowed: Allowed, possible: frozenset[str], source: Input) -> Iterator[Problem]:
    if isinstance(source, TokenInput):
        return
    for gene in ("mtp", "next_latent"):
        if any(allowed[gene]):
            yield Problem(gene, f"predicts tokens, and the input is {source.kind}; leave it out")
    if source.kind == "byte_patch" and any(allowed["n_meta"]):
        yield Problem("n_meta", "byte patches have a learned start of their own; leave it out")
    if source.kind == "byte_patch":
        for name in sorted(name for name in mixer_names(allowed) & possible if not MIXERS[name].causal):
            reason = f"{name} sees later tokens, and byte patches are read one after another; drop {name}"
            yield Problem(_gene_with(allowed, name), reason)


def mixer_names(allowed: Allowed) -> frozenset[str]:
    """Mixers that some layer may have."""
    words = chain.from_iterable(values for name, values in allowed.items() if name.endswith("mixer"))
    return frozenset(name for word in words for name in str(word).split("+"))


def _gene_with(allowed: Allowed, mixer: str) -> str:
    """The first gene that allows the mixer, alone or beside another."""
    return next(
        gene
        for gene, values in allowed.items()
        if gene.endswith("mixer") and any(mixer in str(word).split("+") for word in values)
    )


def _least(values: Values) -> int:
    """Allowed values are sorted."""
    return int(values[0])


def _most(values: Values) -> int:
    return int(values[-1])


def _divisor(values: Values) -> int:
    """Greatest common divisor; a range's is that of its first value and its step."""
    if isinstance(values, range):
        return gcd(values.start, values.step if len(values) > 1 else 0)
    return gcd(*(int(value) for value in values))


def _divisors(number: int) -> str:
    return listed([value for value in range(1, min(number, 256) + 1) if number % value == 0], 16)
