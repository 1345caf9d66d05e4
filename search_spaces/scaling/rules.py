"""What happens to every number of an architecture when it grows: one table, one line for each part, and the reasons.

Switches and choices (booleans, words, bits of a cache) are never touched, so they have no rule. A number without a rule is an
error of this table, which the tests find.
"""

from collections.abc import Mapping
from enum import Enum

from search_spaces.document import Document
from search_spaces.inputs import BytePatchInput, ContinuousInput, TokenInput
from search_spaces.layer import Layer
from search_spaces.loop import Loop
from search_spaces.numerics import Numerics
from search_spaces.objectives import MultiTokenPrediction, NextLatent
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
from search_spaces.structure import Structure


class Rule(Enum):
    """What becomes of a number; the value is the sentence that says so."""

    KEPT = "kept: counts of choices, distances in tokens, sizes of states and plain factors do not depend on the width"
    WIDTH = "grows as the width does, up to its limit"
    HIDDEN = "grows as the width does, and is what makes up for a width and a depth that miss the target"
    SHARE = "keeps its share of the hidden width"
    ROOT = "grows as the root of the width, as RWKV-7's published code has its low ranks (arXiv 2503.14456), up to its limit"
    HEADS = "grows as the width does: more heads of the same size"
    KEY_HEADS = "shared by as many heads as before (fewer at the last one), so that the cache keeps its ratio to the width"
    GROUPS = "shared by as many heads as before; a single one for all heads stays single, as Mamba-2 has at every width"
    HEAD_SIZE = (
        "kept, or set by the target; doubled in all parts where one would have more heads than it may, halved (to about 8) "
        "where less than one would remain"
    )
    ROTARY = "kept, to the nearest even number of channels where the size of a head is given"
    BLOCKS = "grows as the width does: more blocks of the same size; a single one stays single"
    DIVISOR = "kept where it divides the new width, otherwise the nearest that does"
    SPLIT = "each branch keeps its share of the width"
    TARGET = "set by the target, or kept"
    INSIDE = "by the rules of what it holds; lists of layers grow in depth"


_KEPT, _WIDTH, _HIDDEN, _SIZE = Rule.KEPT, Rule.WIDTH, Rule.HIDDEN, Rule.HEAD_SIZE

RULES: Mapping[type[Document], Mapping[str, Rule]] = {
    Attention: {
        "n_heads": Rule.HEADS,
        "n_kv_heads": Rule.KEY_HEADS,
        "head_dim": _SIZE,
        "rotary_fraction": Rule.ROTARY,
        "window": _KEPT,
        "n_global": _KEPT,
        "stride": _KEPT,
        "n_summary": _KEPT,
        "block_size": _KEPT,
        "n_random": _KEPT,
        "top_k": _KEPT,
        "soft_cap": _KEPT,
        "loop_window": _KEPT,
    },
    # what every head has of the latent keeps its ratio, and so does the cache
    MLA: {
        "n_heads": Rule.HEADS,
        "kv_rank": _WIDTH,
        "q_rank": _WIDTH,
        "nope_dim": _SIZE,
        "rope_dim": _KEPT,
        "value_dim": _SIZE,
    },
    SegmentAttention: {"n_heads": Rule.HEADS, "head_dim": _SIZE, "segment": _KEPT, "memory": _KEPT},
    BidirectionalAttention: {"n_heads": Rule.HEADS, "n_kv_heads": Rule.KEY_HEADS, "head_dim": _SIZE},
    # mixtures of tokens, not of channels
    Linformer: {"n_heads": Rule.HEADS, "head_dim": _SIZE, "rank": _KEPT, "max_length": _KEPT},
    FNet: {},
    Recurrence: {
        "n_heads": Rule.HEADS,
        "n_groups": Rule.GROUPS,
        "key_dim": _SIZE,
        "value_dim": _SIZE,
        "decay_rank": Rule.ROOT,
        "gate_rank": Rule.ROOT,
        "decay_scale": _KEPT,
        "decay_floor": _KEPT,
        "beta_scale": _KEPT,
        "n_features": _KEPT,
        "conv_width": _KEPT,
    },
    ShortConv: {"width": _KEPT},
    # the filters' network has 64 neurons at every published width
    Hyena: {"order": _KEPT, "filter_order": _KEPT, "emb_dim": _KEPT, "max_length": _KEPT, "conv_width": _KEPT},
    H3: {"state_size": _KEPT, "shift_width": _KEPT, "head_dim": Rule.DIVISOR},
    S4D: {"state_size": _KEPT, "min_step": _KEPT, "max_step": _KEPT},
    Mamba: {"expand": _KEPT, "state_size": _KEPT, "conv_width": _KEPT, "dt_rank": _WIDTH},
    RWKV4: {"width": _WIDTH},
    RWKV6: {"n_heads": Rule.HEADS, "head_dim": _SIZE, "decay_rank": Rule.ROOT, "shift_rank": Rule.ROOT},
    RWKV7: {
        "n_heads": Rule.HEADS,
        "head_dim": _SIZE,
        "decay_rank": Rule.ROOT,
        "replace_rank": Rule.ROOT,
        "gate_rank": Rule.ROOT,
    },
    RGLRU: {"width": _WIDTH, "n_blocks": Rule.BLOCKS, "conv_width": _KEPT},
    # slots are places, like the tokens of a window; what fits into one grows
    MemorySlots: {"n_slots": _KEPT, "slot_width": _WIDTH, "n_read": _KEPT},
    SwiGLU: {"d_ff": _HIDDEN, "n_active": Rule.SHARE},
    ReLU2: {"d_ff": _HIDDEN, "n_active": Rule.SHARE},
    RWKVChannel: {"d_ff": _HIDDEN},
    MoE: {
        "n_experts": _KEPT,
        "top_k": _KEPT,
        "d_expert": _HIDDEN,
        "n_shared": _KEPT,
        "balance_rate": _KEPT,
        "scale": _KEPT,
        "capacity": _KEPT,
        "n_zero": _KEPT,
    },
    Layer: {"mixers": Rule.INSIDE, "widths": Rule.SPLIT, "channel": Rule.INSIDE, "capacity": _KEPT},
    TokenInput: {"vocab_size": Rule.TARGET},
    BytePatchInput: {"vocab_size": _KEPT, "patch_size": _KEPT, "d_byte": _WIDTH, "within": Rule.INSIDE},
    ContinuousInput: {"n_channels": _KEPT},
    Loop: {"capacities": _KEPT, "ponder_weight": _KEPT, "eval_loops": _KEPT},
    MultiTokenPrediction: {"n_tokens": _KEPT, "weight": _KEPT},
    NextLatent: {"d_hidden": _WIDTH, "latent_weight": _KEPT, "kl_weight": _KEPT},
    Numerics: {},
    Structure: {
        "d_model": Rule.TARGET,
        "input": Rule.INSIDE,
        "n_meta": _KEPT,
        "prelude": Rule.INSIDE,
        "core": Rule.INSIDE,
        "n_loops": _KEPT,
        "loop": Rule.INSIDE,
        "coda": Rule.INSIDE,
        "n_streams": _KEPT,
        "numerics": Rule.INSIDE,
        "mtp": Rule.INSIDE,
        "next_latent": Rule.INSIDE,
    },
}


def fields_with(document: Document, rule: Rule) -> tuple[str, ...]:
    """The fields of a document that a rule is for and that say something: absent sizes stay absent."""
    rules = RULES[type(document)]
    return tuple(field for field, said in rules.items() if said is rule and getattr(document, field) is not None)
