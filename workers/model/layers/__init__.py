"""One torch layer for each primitive of `search_spaces.primitives`, found by the primitive's type."""

from search_spaces.primitives import Primitive
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
from workers.model.layers.attention import AttentionLayer
from workers.model.layers.bidirectional_attention import BidirectionalAttentionLayer
from workers.model.layers.fnet import FNetLayer
from workers.model.layers.h3 import H3Layer
from workers.model.layers.hyena import HyenaLayer
from workers.model.layers.layer import Block, Initialiser, Modulation, Part, Pass, Rows, State
from workers.model.layers.linformer import LinformerLayer
from workers.model.layers.mamba import MambaLayer
from workers.model.layers.memory_slots import MemorySlotsLayer
from workers.model.layers.mla import MLALayer
from workers.model.layers.moe import MoELayer
from workers.model.layers.norm import Norm, RMSNorm, make_norm
from workers.model.layers.recurrence import RecurrenceLayer
from workers.model.layers.relu2 import ReLU2Layer
from workers.model.layers.rg_lru import RGLRULayer
from workers.model.layers.rwkv4 import RWKV4Layer
from workers.model.layers.rwkv6 import RWKV6Layer
from workers.model.layers.rwkv7 import RWKV7Layer
from workers.model.layers.rwkv_channel import RWKVChannelLayer
from workers.model.layers.s4d import S4DLayer
from workers.model.layers.segment_attention import SegmentAttentionLayer
from workers.model.layers.short_conv import ShortConvLayer
from workers.model.layers.swiglu import SwiGLULayer

LAYERS: dict[type[Primitive], type[Part]] = {
    Attention: AttentionLayer,
    MLA: MLALayer,
    SegmentAttention: SegmentAttentionLayer,
    BidirectionalAttention: BidirectionalAttentionLayer,
    Linformer: LinformerLayer,
    FNet: FNetLayer,
    Recurrence: RecurrenceLayer,
    ShortConv: ShortConvLayer,
    Hyena: HyenaLayer,
    H3: H3Layer,
    S4D: S4DLayer,
    Mamba: MambaLayer,
    RWKV4: RWKV4Layer,
    RWKV6: RWKV6Layer,
    RWKV7: RWKV7Layer,
    RGLRU: RGLRULayer,
    MemorySlots: MemorySlotsLayer,
    SwiGLU: SwiGLULayer,
    ReLU2: ReLU2Layer,
    RWKVChannel: RWKVChannelLayer,
    MoE: MoELayer,
}


def part(config: Primitive, d_model: int) -> Part:
    """The layer of a primitive, its parameters still without values."""
    return LAYERS[type(config)](config, d_model)


__all__ = [
    "LAYERS",
    "Block",
    "Initialiser",
    "Modulation",
    "Norm",
    "Part",
    "Pass",
    "RMSNorm",
    "Rows",
    "State",
    "make_norm",
    "part",
]
