"""One plain config of every primitive at a width of 64: what the reference prices, and a first thing to try.

Options are off, so that the costs are those of the formulas; the tests evaluate both.
"""

from collections.abc import Mapping

from search_spaces.primitives import Cost, CostContext, Primitive
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

D_MODEL = 64
CONTEXT = CostContext(context_length=1024)

EXAMPLES: Mapping[str, Primitive] = {
    part.kind: part
    for part in (
        Attention(n_heads=4, n_kv_heads=2, head_dim=16),
        MLA(n_heads=4, kv_rank=32, nope_dim=16, rope_dim=8, value_dim=16),
        SegmentAttention(n_heads=4, head_dim=16, segment=128, memory=128),
        BidirectionalAttention(n_heads=4, n_kv_heads=2, head_dim=16),
        Linformer(n_heads=4, head_dim=16, rank=64, max_length=1024),
        FNet(),
        Recurrence(n_heads=4, n_groups=4, key_dim=16, value_dim=16, decay="fixed"),
        ShortConv(),
        Hyena(),
        H3(),
        S4D(),
        Mamba(),
        RWKV4(),
        RWKV6(n_heads=4, head_dim=16),
        RWKV7(n_heads=4, head_dim=16),
        RGLRU(),
        MemorySlots(n_slots=64, slot_width=32),
        SwiGLU(d_ff=128),
        ReLU2(d_ff=256),
        RWKVChannel(d_ff=256),
        MoE(n_experts=8, top_k=2, d_expert=64),
    )
}


def example_cost(kind: str) -> Cost:
    """The cost of a primitive's example, at a width of 64 and a context of 1024 tokens of 2 bytes a number."""
    return EXAMPLES[kind].cost(D_MODEL, CONTEXT)
