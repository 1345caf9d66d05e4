"""State spaces and long convolutions: S4, H3, Hyena, and the selective ones of Mamba."""

from search_spaces.architecture import Architecture
from search_spaces.primitives.h3 import H3
from search_spaces.primitives.hyena import Hyena
from search_spaces.primitives.mamba import Mamba
from search_spaces.primitives.recurrence import mamba2
from search_spaces.primitives.s4d import S4D
from search_spaces.zoo.entry import HEAD_DIM, ZooEntry, ffn, heads, stack


def _s4(d_model: int, vocab_size: int) -> Architecture:
    return stack(4, S4D(), ffn(d_model), d_model, vocab_size)


def _h3(d_model: int, vocab_size: int) -> Architecture:
    return stack(4, H3(), ffn(d_model), d_model, vocab_size, norm="layer")


def _hyena(d_model: int, vocab_size: int) -> Architecture:
    return stack(4, Hyena(), ffn(d_model), d_model, vocab_size, norm="layer")


def _mamba(d_model: int, vocab_size: int) -> Architecture:
    return stack(6, Mamba(), None, d_model, vocab_size)


def _mamba2(d_model: int, vocab_size: int) -> Architecture:
    mixer = mamba2(d_model, n_heads=heads(d_model), state_size=2 * HEAD_DIM)
    return stack(6, mixer, None, d_model, vocab_size)


S4 = ZooEntry(
    name="s4",
    title="S4: linear state spaces with constant coefficients, trained as one long convolution",
    source="arXiv 2111.00396, 2206.11893 (S4D)",
    simplified="The diagonal form, S4D, for normal plus low-rank matrices; SwiGLU between; 4 layers.",
    builder=_s4,
)
PURE_H3 = ZooEntry(
    name="h3",
    title="H3: two state spaces and two products in the place of attention",
    source="arXiv 2212.14052",
    simplified="No attention layers, of which the paper's best language models keep two; SwiGLU for GELU; 4 layers.",
    builder=_h3,
)
HYENA = ZooEntry(
    name="hyena",
    title="Hyena: gated convolutions over the whole past, with filters from a small network",
    source="arXiv 2302.10866",
    simplified="Filters for lags of about 1024 tokens; SwiGLU for GELU; 4 layers.",
    builder=_hyena,
)
MAMBA = ZooEntry(
    name="mamba",
    title="Mamba: every layer a selective state space, without channel part",
    source="arXiv 2312.00752",
    simplified="6 layers for 24 and more.",
    builder=_mamba,
)
MAMBA2 = ZooEntry(
    name="mamba2",
    title="Mamba-2, every layer a state-space mixer without channel part",
    source="arXiv 2405.21060",
    simplified="State size 32 for the published 64 to 128; 6 layers.",
    builder=_mamba2,
)
