"""What scaling promises of a size is what the model has: built without memory, its weights are counted."""

import pytest
import torch

from search_spaces.scaling import ScaleTarget, scale
from search_spaces.zoo import ZOO
from workers.model import Model

NAMES = (
    "transformer", "mamba", "mamba2", "rwkv7", "deepseek_v3", "qwen3_next", "kimi_linear", "jamba", "hymba", "zamba", "griffin",
    "dnc", "byte_hierarchical", "universal_transformer", "bitnet",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_scaled_model_has_the_promised_parameters(name: str) -> None:
    scaled = scale(ZOO[name].build(), ScaleTarget(params=20_000_000, vocab_size=None))
    with torch.device("meta"):
        model = Model(scaled.architecture)
    assert sum(parameter.numel() for parameter in model.parameters()) == scaled.params
