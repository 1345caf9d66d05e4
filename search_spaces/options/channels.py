"""Channel parts: dense feed-forwards of several kinds, and experts, whole, finer, shared, or with a capacity."""

from search_spaces.genes import Gene, Number, OneOf
from search_spaces.options.option import Assignment, ChannelOption, whole
from search_spaces.primitives import Channel
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.relu2 import ReLU2
from search_spaces.primitives.rwkv_channel import RWKVChannel
from search_spaces.primitives.swiglu import SwiGLU

DENSE_KNOBS = ("ffn_ratio", "norm", "active_neurons")
MOE_KNOBS = ("ffn_ratio", "n_experts", "top_k", "n_zero")
FINE_KNOBS = (*MOE_KNOBS, "granularity")
SHARED_KNOBS = (*FINE_KNOBS, "n_shared", "shared_gate")


def ffn_width(d_model: int, ratio: float) -> int:
    """Hidden width of a channel part: the nearest multiple of 8, at least 8."""
    return max(8, 8 * int(ratio * d_model / 8 + 0.5))


def _width(assignment: Assignment) -> int:
    return ffn_width(whole(assignment, "d_model"), float(assignment["ffn_ratio"]))


def _n_active(assignment: Assignment) -> int | None:
    """Neurons a token uses: the share of the width, at least one; None for all."""
    share, width = float(assignment["active_neurons"]), _width(assignment)
    n_active = max(1, int(share * width))
    return n_active if n_active < width else None


def _sub_norm(assignment: Assignment) -> bool:
    return assignment["norm"] == "sub" and _n_active(assignment) is None


def _swiglu(assignment: Assignment) -> Channel:
    return SwiGLU(d_ff=_width(assignment), sub_norm=_sub_norm(assignment), n_active=_n_active(assignment))


def _geglu(assignment: Assignment) -> Channel:
    width, sub_norm, n_active = _width(assignment), _sub_norm(assignment), _n_active(assignment)
    return SwiGLU(d_ff=width, activation="gelu", sub_norm=sub_norm, n_active=n_active)


def _relu2_glu(assignment: Assignment) -> Channel:
    width, sub_norm, n_active = _width(assignment), _sub_norm(assignment), _n_active(assignment)
    return SwiGLU(d_ff=width, activation="relu2", sub_norm=sub_norm, n_active=n_active)


def _relu2(assignment: Assignment) -> Channel:
    return ReLU2(d_ff=_width(assignment), sub_norm=_sub_norm(assignment), n_active=_n_active(assignment))


def _rwkv_channel(assignment: Assignment) -> Channel:
    return RWKVChannel(d_ff=_width(assignment))


def _none(_: Assignment) -> None:
    return None


def _moe(assignment: Assignment) -> Channel:
    return _experts(assignment, 1, 0)


def _moe_fine(assignment: Assignment) -> Channel:
    return _experts(assignment, whole(assignment, "granularity"), 0)


def _moe_shared(assignment: Assignment) -> Channel:
    return _experts(assignment, whole(assignment, "granularity"), whole(assignment, "n_shared"))


def _switch(assignment: Assignment) -> Channel:
    """Switch: one expert as wide as the dense part, its softmax probability as weight, a capacity."""
    return MoE(
        n_experts=whole(assignment, "n_experts"),
        top_k=1,
        d_expert=_width(assignment),
        normalise=False,
        capacity=float(assignment["expert_capacity"]),
        n_zero=whole(assignment, "n_zero"),
    )


def _experts(assignment: Assignment, parts: int, n_shared: int) -> Channel:
    """DeepSeekMoE's accounting: splitting or sharing experts changes neither all of them nor those a token uses."""
    active = whole(assignment, "top_k") * parts
    return MoE(
        n_experts=whole(assignment, "n_experts") * parts - n_shared,
        top_k=active - n_shared,
        d_expert=-(-_width(assignment) // active),
        n_shared=n_shared,
        balance="bias" if assignment["balance"] == "bias" else "loss",
        n_zero=whole(assignment, "n_zero"),
        shared_gate=bool(assignment["shared_gate"]) if n_shared else False,
    )


_DENSE = ("channel", "neurons")
_MOE = ("channel", "moe")
_CHOSEN = (*_MOE, "chosen")
OPTIONS: dict[str, ChannelOption] = {
    option.name: option
    for option in (
        ChannelOption(name="none", build=_none, facts=(), knobs=()),
        ChannelOption(name="dense", build=_swiglu, facts=_DENSE, knobs=DENSE_KNOBS),
        ChannelOption(name="geglu", build=_geglu, facts=_DENSE, knobs=DENSE_KNOBS),
        ChannelOption(name="relu2_glu", build=_relu2_glu, facts=_DENSE, knobs=DENSE_KNOBS),
        ChannelOption(name="relu2", build=_relu2, facts=_DENSE, knobs=DENSE_KNOBS),
        ChannelOption(name="rwkv_channel", build=_rwkv_channel, facts=("channel",), knobs=("ffn_ratio",)),
        ChannelOption(name="moe", build=_moe, facts=_CHOSEN, knobs=MOE_KNOBS),
        ChannelOption(name="moe_fine", build=_moe_fine, facts=(*_CHOSEN, "fine"), knobs=FINE_KNOBS),
        ChannelOption(name="moe_shared", build=_moe_shared, facts=(*_CHOSEN, "fine", "shared"), knobs=SHARED_KNOBS),
        ChannelOption(name="switch", build=_switch, facts=(*_MOE, "switch"), knobs=("ffn_ratio", "n_experts", "n_zero")),
    )
}
ROUTED = frozenset(name for name, option in OPTIONS.items() if "moe" in option.facts)


KNOBS = (
    Gene(
        name="ffn_ratio",
        title="Hidden width one token uses, in multiples of d_model, rounded to a multiple of 8; shared by active experts",
        limits=Number(0.125, 32, whole=False),
        default=2.0,
        needs="channel",
    ),
    Gene(
        name="active_neurons",
        title="Share of a dense part's neurons that a token uses, those with the largest values",
        limits=Number(0.01, 1, whole=False),
        default=1.0,
        needs="neurons",
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
        needs="chosen",
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
        name="shared_gate",
        title="Whether a sigmoid of one number gates the shared experts",
        limits=OneOf((False, True)),
        default=False,
        needs="shared",
    ),
    Gene(
        name="balance",
        title="What keeps the experts evenly used: an auxiliary loss, or a bias on the choice",
        limits=OneOf(("loss", "bias")),
        default="loss",
        needs="chosen",
    ),
    Gene(
        name="expert_capacity",
        title="Choices a switch expert takes at most, in multiples of an even share",
        limits=Number(1, 16, whole=False),
        default=1.25,
        needs="switch",
    ),
    Gene(
        name="n_zero",
        title="Experts beside the others that return their input and cost nothing",
        limits=Number(0, 64),
        default=0,
        needs="moe",
    ),
)
