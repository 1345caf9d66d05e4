"""The catalogue of primitives: one line here, one file beside it, one file in `workers/model/layers/`."""

from typing import Annotated

from pydantic import Field

from search_spaces.primitives.attention import Attention
from search_spaces.primitives.bidirectional_attention import BidirectionalAttention
from search_spaces.primitives.fnet import FNet
from search_spaces.primitives.h3 import H3
from search_spaces.primitives.hyena import Hyena
from search_spaces.primitives.linformer import Linformer
from search_spaces.primitives.mamba import Mamba
from search_spaces.primitives.memory_slots import MemorySlots
from search_spaces.primitives.mla import MLA
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.primitive import Cost, CostContext, Primitive, Problem
from search_spaces.primitives.recurrence import Recurrence
from search_spaces.primitives.relu2 import ReLU2
from search_spaces.primitives.rg_lru import RGLRU
from search_spaces.primitives.rwkv4 import RWKV4
from search_spaces.primitives.rwkv6 import RWKV6
from search_spaces.primitives.rwkv7 import RWKV7
from search_spaces.primitives.rwkv_channel import RWKVChannel
from search_spaces.primitives.s4d import S4D
from search_spaces.primitives.segment_attention import SegmentAttention
from search_spaces.primitives.short_conv import ShortConv
from search_spaces.primitives.swiglu import SwiGLU

Mixer = Annotated[
    Attention
    | MLA
    | SegmentAttention
    | BidirectionalAttention
    | Linformer
    | FNet
    | Recurrence
    | ShortConv
    | Hyena
    | H3
    | S4D
    | Mamba
    | RWKV4
    | RWKV6
    | RWKV7
    | RGLRU
    | MemorySlots,
    Field(discriminator="kind"),
]
Channel = Annotated[SwiGLU | ReLU2 | RWKVChannel | MoE, Field(discriminator="kind")]

CATALOGUE: dict[str, type[Primitive]] = {
    "attention": Attention,
    "mla": MLA,
    "segment_attention": SegmentAttention,
    "bidirectional_attention": BidirectionalAttention,
    "linformer": Linformer,
    "fnet": FNet,
    "recurrence": Recurrence,
    "short_conv": ShortConv,
    "hyena": Hyena,
    "h3": H3,
    "s4d": S4D,
    "mamba": Mamba,
    "rwkv4": RWKV4,
    "rwkv6": RWKV6,
    "rwkv7": RWKV7,
    "rg_lru": RGLRU,
    "memory_slots": MemorySlots,
    "swiglu": SwiGLU,
    "relu2": ReLU2,
    "rwkv_channel": RWKVChannel,
    "moe": MoE,
}

__all__ = ["CATALOGUE", "Channel", "Cost", "CostContext", "Mixer", "Primitive", "Problem"]
