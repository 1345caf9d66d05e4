"""The RWKV family and RG-LRU: mixers whose heads, or gates' blocks, share the layer's own width."""

from search_spaces.genes import Gene, Number
from search_spaces.options.option import Assignment, MixerOption, whole
from search_spaces.primitives import Mixer
from search_spaces.primitives.rg_lru import RGLRU
from search_spaces.primitives.rwkv4 import RWKV4
from search_spaces.primitives.rwkv6 import RWKV6
from search_spaces.primitives.rwkv7 import RWKV7


def _rwkv4(_: Assignment, __: int) -> Mixer:
    return RWKV4()


def _rwkv5(assignment: Assignment, width: int) -> Mixer:
    n_heads = whole(assignment, "linear_heads")
    return RWKV6(n_heads=n_heads, head_dim=width // n_heads)


def _rwkv6(assignment: Assignment, width: int) -> Mixer:
    n_heads, rank = whole(assignment, "linear_heads"), whole(assignment, "lora_rank")
    return RWKV6(n_heads=n_heads, head_dim=width // n_heads, decay_rank=rank, shift_rank=rank)


def _rwkv7(assignment: Assignment, width: int) -> Mixer:
    n_heads, rank = whole(assignment, "linear_heads"), whole(assignment, "lora_rank")
    return RWKV7(n_heads=n_heads, head_dim=width // n_heads, decay_rank=rank, replace_rank=rank, gate_rank=rank)


def _rg_lru(assignment: Assignment, _: int) -> Mixer:
    return RGLRU(n_blocks=whole(assignment, "linear_heads"), conv_width=whole(assignment, "conv_width"))


_HEADS = ("heads", "whole_heads")
OPTIONS: dict[str, MixerOption] = {
    option.name: option
    for option in (
        MixerOption(name="rwkv4", build=_rwkv4, facts=(), knobs=()),
        MixerOption(name="rwkv5", build=_rwkv5, facts=_HEADS, knobs=("linear_heads",)),
        MixerOption(name="rwkv6", build=_rwkv6, facts=(*_HEADS, "lora"), knobs=("linear_heads", "lora_rank")),
        MixerOption(name="rwkv7", build=_rwkv7, facts=(*_HEADS, "lora"), knobs=("linear_heads", "lora_rank")),
        MixerOption(name="rg_lru", build=_rg_lru, facts=(*_HEADS, "conv"), knobs=("linear_heads", "conv_width")),
    )
}

KNOBS = (
    Gene(
        name="lora_rank",
        title="Rank of the projections that make RWKV's decays, gates and mixes",
        limits=Number(1, 4096),
        default=16,
        needs="lora",
    ),
)
