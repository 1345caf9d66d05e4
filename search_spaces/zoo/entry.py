"""What a zoo entry is, and the sizes that entries share."""

from collections.abc import Callable
from dataclasses import dataclass

from search_spaces.architecture import Architecture
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.swiglu import SwiGLU

Build = Callable[[int, int], Architecture]

HEAD_DIM = 16
MAX_HEADS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ZooEntry:
    """A named architecture from the literature, at any width.

    simplified: how it differs from what was published. `builder(d_model, vocab_size)` makes it.
    """

    name: str
    title: str
    source: str
    simplified: str
    builder: Build

    def build(self, d_model: int = 64, vocab_size: int = 256) -> Architecture:
        """The architecture at a width: a multiple of 8 up to 1024, of 64 up to 8192. Raises ValueError for others."""
        if not 8 <= d_model <= 8192 or d_model % (8 if d_model <= 1024 else 64):
            raise ValueError(f"d_model {d_model}: zoo entries need a multiple of 8 up to 1024, or of 64 up to 8192")
        return self.builder(d_model, vocab_size)


def heads(d_model: int) -> int:
    """As many heads as give an even width of about `HEAD_DIM`: a power of two, at most `MAX_HEADS`."""
    count = 1
    while 2 * count <= min(MAX_HEADS, d_model // HEAD_DIM) and d_model % (4 * count) == 0:
        count *= 2
    return count


def attention(d_model: int, *, rope: bool = True) -> Attention:
    """Grouped-query attention: half as many key/value heads as heads."""
    n_heads = heads(d_model)
    return Attention(n_heads=n_heads, n_kv_heads=max(1, n_heads // 2), head_dim=d_model // n_heads, rope=rope)


def ffn(d_model: int) -> SwiGLU:
    """The channel part that most entries share: SwiGLU of twice the width."""
    return SwiGLU(d_ff=2 * d_model)
