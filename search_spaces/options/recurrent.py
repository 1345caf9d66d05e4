"""Linear mixers: recurrences, state-space models and convolutions, each a word, and the knobs they share."""

from search_spaces.genes import Gene, Number
from search_spaces.options.option import Assignment, MixerOption, whole
from search_spaces.primitives import Mixer
from search_spaces.primitives.recurrence import gated_deltanet, gla, mamba2, retnet
from search_spaces.primitives.short_conv import ShortConv

STATE_KNOBS = ("linear_heads", "state_size", "expand")
CONV_KNOBS = (*STATE_KNOBS, "conv_width")


def _mamba2(assignment: Assignment, width: int) -> Mixer:
    return mamba2(
        width,
        n_heads=whole(assignment, "linear_heads"),
        state_size=whole(assignment, "state_size"),
        expand=whole(assignment, "expand"),
        conv_width=whole(assignment, "conv_width"),
    )


def _gated_deltanet(assignment: Assignment, width: int) -> Mixer:
    return gated_deltanet(
        width,
        n_heads=whole(assignment, "linear_heads"),
        key_dim=whole(assignment, "state_size"),
        expand=whole(assignment, "expand"),
        conv_width=whole(assignment, "conv_width"),
    )


def _retnet(assignment: Assignment, width: int) -> Mixer:
    return retnet(
        width,
        n_heads=whole(assignment, "linear_heads"),
        key_dim=whole(assignment, "state_size"),
        expand=whole(assignment, "expand"),
    )


def _gla(assignment: Assignment, width: int) -> Mixer:
    return gla(
        width,
        n_heads=whole(assignment, "linear_heads"),
        key_dim=whole(assignment, "state_size"),
        expand=whole(assignment, "expand"),
    )


def _short_conv(assignment: Assignment, width: int) -> Mixer:
    return ShortConv(width=whole(assignment, "short_conv_width"))


_STATE = ("heads", "state", "expand")
_CONV = (*_STATE, "conv")
OPTIONS: dict[str, MixerOption] = {
    option.name: option
    for option in (
        MixerOption(name="mamba2", build=_mamba2, facts=_CONV, knobs=CONV_KNOBS),
        MixerOption(name="retnet", build=_retnet, facts=_STATE, knobs=STATE_KNOBS),
        MixerOption(name="gla", build=_gla, facts=_STATE, knobs=STATE_KNOBS),
        MixerOption(name="gated_deltanet", build=_gated_deltanet, facts=_CONV, knobs=CONV_KNOBS),
        MixerOption(name="short_conv", build=_short_conv, facts=("short_conv",), knobs=("short_conv_width",)),
    )
}

KNOBS = (
    Gene(
        name="linear_heads",
        title="Heads of the recurrence",
        limits=Number(1, 256),
        default=4,
        needs="heads",
    ),
    Gene(
        name="state_size",
        title="Key width of one recurrence head: rows of its state",
        limits=Number(1, 512),
        default=16,
        needs="state",
    ),
    Gene(
        name="expand",
        title="Value width of the recurrence, in multiples of d_model",
        limits=Number(1, 8),
        default=2,
        needs="expand",
    ),
    Gene(
        name="conv_width",
        title="Tokens under the convolution in front of a recurrence",
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
