"""Named architectures from the literature at proxy scale, which every study can run beside its own trials."""

from search_spaces.zoo.entry import ZooEntry
from search_spaces.zoo.hybrid import CONV_ATTENTION, JAMBA, LINEAR_BOTTOM_ATTENTION_TOP
from search_spaces.zoo.recurrent import GATED_DELTANET, GLA, MAMBA2, RETNET
from search_spaces.zoo.transformer import LOOPED_TRANSFORMER, TRANSFORMER

ZOO: dict[str, ZooEntry] = {
    entry.name: entry
    for entry in (
        TRANSFORMER,
        LOOPED_TRANSFORMER,
        MAMBA2,
        RETNET,
        GLA,
        GATED_DELTANET,
        CONV_ATTENTION,
        JAMBA,
        LINEAR_BOTTOM_ATTENTION_TOP,
    )
}

__all__ = ["ZOO", "ZooEntry"]
