"""Mixers other than attention: recurrences, state-space models, convolutions and memories, with the knobs they share."""

from search_spaces.genes import Gene, Number, OneOf
from search_spaces.options import recurrence, rwkv
from search_spaces.options.option import Assignment, MixerOption, whole
from search_spaces.primitives import Mixer
from search_spaces.primitives.fnet import FNet
from search_spaces.primitives.h3 import H3
from search_spaces.primitives.hyena import Hyena
from search_spaces.primitives.mamba import Mamba
from search_spaces.primitives.memory_slots import MemorySlots
from search_spaces.primitives.s4d import S4D
from search_spaces.primitives.short_conv import ShortConv


def _short_conv(assignment: Assignment, _: int) -> Mixer:
    return ShortConv(width=whole(assignment, "short_conv_width"))


def _mamba(assignment: Assignment, _: int) -> Mixer:
    return Mamba(
        expand=whole(assignment, "expand"),
        state_size=whole(assignment, "state_size"),
        conv_width=whole(assignment, "conv_width"),
    )


def _s4d(assignment: Assignment, _: int) -> Mixer:
    return S4D(state_size=whole(assignment, "state_size"))


def _h3(assignment: Assignment, _: int) -> Mixer:
    return H3(
        state_size=whole(assignment, "state_size"),
        shift_width=whole(assignment, "conv_width"),
        head_dim=whole(assignment, "h3_head_dim"),
    )


def _hyena(assignment: Assignment, _: int) -> Mixer:
    return Hyena(
        order=whole(assignment, "hyena_order"),
        filter_order=whole(assignment, "filter_order"),
        max_length=whole(assignment, "max_length"),
    )


def _fnet(_: Assignment, __: int) -> Mixer:
    return FNet(orthonormal=True)


def _memory_slots(assignment: Assignment, _: int) -> Mixer:
    return MemorySlots(
        n_slots=whole(assignment, "n_slots"),
        slot_width=whole(assignment, "slot_width"),
        n_read=whole(assignment, "n_read"),
        allocation=bool(assignment["allocation"]),
    )


OPTIONS: dict[str, MixerOption] = (
    recurrence.OPTIONS
    | rwkv.OPTIONS
    | {
        option.name: option
        for option in (
            MixerOption(name="short_conv", build=_short_conv, facts=("short_conv",), knobs=("short_conv_width",)),
            MixerOption(
                name="mamba",
                build=_mamba,
                facts=("state", "expand", "conv"),
                knobs=("expand", "state_size", "conv_width"),
            ),
            MixerOption(name="s4d", build=_s4d, facts=("state",), knobs=("state_size",)),
            MixerOption(name="h3", build=_h3, facts=("state", "conv"), knobs=("state_size", "conv_width", "h3_head_dim")),
            MixerOption(
                name="hyena",
                build=_hyena,
                facts=("max_length",),
                knobs=("hyena_order", "filter_order", "max_length"),
            ),
            MixerOption(
                name="memory_slots",
                build=_memory_slots,
                facts=(),
                knobs=("n_slots", "slot_width", "n_read", "allocation"),
            ),
            MixerOption(name="fnet", build=_fnet, facts=(), knobs=(), causal=False),
        )
    }
)

KNOBS = (
    *recurrence.KNOBS,
    *rwkv.KNOBS,
    Gene(
        name="short_conv_width",
        title="Tokens under the gated short convolution",
        limits=Number(2, 64),
        default=3,
        needs="short_conv",
    ),
    Gene(
        name="h3_head_dim",
        title="Channels of an H3 head; its state grows with the square",
        limits=Number(1, 256),
        default=1,
        needs="h3",
    ),
    Gene(name="hyena_order", title="Long convolutions of Hyena", limits=Number(1, 8), default=2, needs="hyena"),
    Gene(
        name="filter_order",
        title="Hidden width of the network that makes Hyena's filters",
        limits=Number(1, 1024),
        default=32,
        needs="hyena",
    ),
    Gene(
        name="max_length",
        title="Longest sequence of linformer, in tokens, and the lag that hyena's filters call 1",
        limits=Number(2, 1_000_000),
        default=1024,
        needs="max_length",
    ),
    Gene(name="n_slots", title="Vectors of the memory", limits=Number(2, 4096), default=16, needs="memory_slots"),
    Gene(
        name="slot_width", title="Numbers of each slot of the memory", limits=Number(1, 1024), default=32, needs="memory_slots"
    ),
    Gene(name="n_read", title="Reads of the memory for each token", limits=Number(1, 64), default=1, needs="memory_slots"),
    Gene(
        name="allocation",
        title="Whether writing goes to the least used slots (DNC)",
        limits=OneOf((False, True)),
        default=False,
        needs="memory_slots",
    ),
)
