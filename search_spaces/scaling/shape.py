"""Width against depth: how many blocks a model of a given width has, as published families are shaped.

A block is two sublayers, such as attention and feed-forward, or two Mamba layers (arXiv 2312.00752 counts the same way); loops
count as often as a token passes them. Up to a width of 4096 the depth is half the root of the width, above it a 128th of the
width: 4 blocks at 64, 16 at 1024, 23 at 2048, 32 at 4096, 96 at 12,288. `PUBLISHED` is what the rule was read from.
"""

import math
from collections.abc import Sequence

from search_spaces.architecture import Architecture, Layer

PUBLISHED: dict[str, tuple[int, int]] = {
    "GPT-3 125M (arXiv 2005.14165)": (768, 12),
    "GPT-3 760M": (1536, 24),
    "GPT-3 1.3B": (2048, 24),
    "GPT-3 2.7B": (2560, 32),
    "GPT-3 6.7B": (4096, 32),
    "GPT-3 13B": (5120, 40),
    "GPT-3 175B": (12_288, 96),
    "Llama 3.2 1B (model card, 2024)": (2048, 16),
    "Llama 3.2 3B": (3072, 28),
    "Llama 3 8B (arXiv 2407.21783)": (4096, 32),
    "Llama 3 70B": (8192, 80),
    "Llama 3 405B": (16_384, 126),
    "Pythia 410M (arXiv 2304.01373)": (1024, 24),
    "Qwen3 8B (arXiv 2505.09388)": (4096, 36),
    "Mamba 370M (arXiv 2312.00752), 48 layers": (1024, 24),
    "Nemotron-H 8B (arXiv 2504.03624), 52 layers": (4096, 26),
}
"""d_model and blocks of models that were trained."""


def usual_blocks(width: int) -> float:
    """Blocks that published models of a width have, about."""
    return math.sqrt(width) / 2 if width <= 4096 else width / 128


def n_blocks(architecture: Architecture) -> float:
    """Blocks that a token passes, loops counted; those within a byte patch are not."""
    sections = (architecture.prelude, architecture.core * architecture.n_loops, architecture.coda)
    return sum(_sublayers(layers) for layers in sections) / 2


def _sublayers(layers: Sequence[Layer]) -> int:
    return sum(bool(layer.mixers) + (layer.channel is not None) for layer in layers)
