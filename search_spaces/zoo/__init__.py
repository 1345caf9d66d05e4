"""Named architectures from the literature at proxy scale, which every study can run beside its own trials."""

from search_spaces.zoo.adaptive import (
    LOOPCODER_V2,
    LOOPED_TRANSFORMER,
    MIXTURE_OF_ARCHITECTURES,
    MIXTURE_OF_DEPTHS,
    MIXTURE_OF_RECURSIONS,
    UNIVERSAL_TRANSFORMER,
)
from search_spaces.zoo.byte_level import BYTE_HIERARCHICAL
from search_spaces.zoo.encoder import FNET, LINFORMER
from search_spaces.zoo.entry import ZooEntry
from search_spaces.zoo.experts import DEEPSEEK_MOE, DEEPSEEK_V3, GLAM, MIXTRAL, SWITCH
from search_spaces.zoo.hybrid import (
    CONV_ATTENTION,
    GRANITE4_REAL,
    GRANITE4_SEED,
    HYMBA,
    JAMBA,
    NEMOTRON_H,
    SAMBA,
    STRIPED_HYENA,
    ZAMBA,
)
from search_spaces.zoo.linear_attention import DELTANET, GATED_DELTANET, GLA, HGRN2, PERFORMER, RETNET, XLSTM
from search_spaces.zoo.linear_hybrid import GRIFFIN, KIMI_LINEAR, LINEAR_BOTTOM_ATTENTION_TOP, MINIMAX, QWEN3_NEXT
from search_spaces.zoo.low_bit import BITNET
from search_spaces.zoo.memory import DNC, MEMORY_NETWORK, NTM
from search_spaces.zoo.rwkv import RWKV_4, RWKV_6, RWKV_7
from search_spaces.zoo.state_space import HYENA, MAMBA, MAMBA2, PURE_H3, S4
from search_spaces.zoo.transformer import BIGBIRD, LONGFORMER, SPARSE_TRANSFORMER, TRANSFORMER, TRANSFORMER_XL

DECODERS = (TRANSFORMER, TRANSFORMER_XL, SPARSE_TRANSFORMER, LONGFORMER, BIGBIRD)
ENCODERS = (LINFORMER, FNET)
LINEAR = (PERFORMER, RETNET, GLA, HGRN2, DELTANET, GATED_DELTANET, XLSTM, RWKV_4, RWKV_6, RWKV_7)
STATE_SPACES = (S4, PURE_H3, HYENA, MAMBA, MAMBA2)
EXPERTS = (SWITCH, GLAM, MIXTRAL, DEEPSEEK_MOE, DEEPSEEK_V3)
HYBRIDS = (
    CONV_ATTENTION,
    STRIPED_HYENA,
    JAMBA,
    SAMBA,
    GRANITE4_REAL,
    GRANITE4_SEED,
    HYMBA,
    ZAMBA,
    NEMOTRON_H,
    MINIMAX,
    KIMI_LINEAR,
    QWEN3_NEXT,
    GRIFFIN,
    LINEAR_BOTTOM_ATTENTION_TOP,
)
ADAPTIVE = (
    UNIVERSAL_TRANSFORMER,
    LOOPED_TRANSFORMER,
    LOOPCODER_V2,
    MIXTURE_OF_RECURSIONS,
    MIXTURE_OF_DEPTHS,
    MIXTURE_OF_ARCHITECTURES,
)
OTHERS = (NTM, DNC, MEMORY_NETWORK, BITNET, BYTE_HIERARCHICAL)

ZOO: dict[str, ZooEntry] = {
    entry.name: entry for entry in (*DECODERS, *ENCODERS, *LINEAR, *STATE_SPACES, *EXPERTS, *HYBRIDS, *ADAPTIVE, *OTHERS)
}

__all__ = ["ZOO", "ZooEntry"]
