"""Weights of the attention of transformers' `gpt_oss`: a learned sink for each head, and a sliding window in some layers."""

from nas.export.huggingface.holds import require
from nas.export.huggingface.llama import HEADS, projections
from nas.export.huggingface.rules import Rule, same
from search_spaces.primitives.attention import Attention


def attention_rules(config: Attention) -> tuple[Rule, ...]:
    """`Attention` with sinks as a GptOssAttention without biases. Raises ValueError for any other."""
    require(config, "gpt_oss", (*HEADS, "window"), always={"sink": True})
    return (*projections(config), same("sink_H", "sinks"))
