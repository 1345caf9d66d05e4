"""What a zoo entry is, and the sizes and parts that entries share."""

from collections.abc import Callable
from dataclasses import dataclass

from search_spaces.architecture import Architecture, Layer, TokenInput
from search_spaces.norm import NormKind
from search_spaces.primitives import Channel, Mixer
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.swiglu import SwiGLU

Build = Callable[[int, int], Architecture]

HEAD_DIM = 16
MAX_HEADS = 32
WINDOW = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ZooEntry:
    """A named architecture from the literature, at any width.

    title: what it is, in one line. simplified: how it differs from what was published, sizes that `builder` scales with the
    width left out. `builder(d_model, vocab_size)` makes it.
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


def model(d_model: int, vocab_size: int, *core: Layer, norm: NormKind = "rms") -> Architecture:
    """Layers over tokens, each run once."""
    return Architecture(d_model=d_model, input=TokenInput(vocab_size=vocab_size), core=core, norm=norm)


def stack(
    n_layers: int, mixer: Mixer, channel: Channel | None, d_model: int, vocab_size: int, norm: NormKind = "rms"
) -> Architecture:
    """`n_layers` equal layers of one mixer and one channel part."""
    return model(d_model, vocab_size, *(Layer(mixers=(mixer,), channel=channel),) * n_layers, norm=norm)


def heads(d_model: int) -> int:
    """As many heads as give an even width of about `HEAD_DIM`: a power of two, at most `MAX_HEADS`."""
    count = 1
    while 2 * count <= min(MAX_HEADS, d_model // HEAD_DIM) and d_model % (4 * count) == 0:
        count *= 2
    return count


def head_dim(d_model: int) -> int:
    """Channels of each of `heads(d_model)` heads; even."""
    return d_model // heads(d_model)


def rotary_fraction(d_model: int, share: float) -> float:
    """The largest part of a head, at most `share` of it, that is an even number of channels; at least two of them."""
    size = head_dim(d_model)
    return max(2, int(size * share) // 2 * 2) / size


def attention(d_model: int, *, rope: bool = True, window: int | None = None) -> Attention:
    """Grouped-query attention: half as many key/value heads as heads."""
    n_heads = heads(d_model)
    return Attention(n_heads=n_heads, n_kv_heads=max(1, n_heads // 2), head_dim=head_dim(d_model), rope=rope, window=window)


def ffn(d_model: int) -> SwiGLU:
    """The channel part that most entries share: SwiGLU of twice the width."""
    return SwiGLU(d_ff=2 * d_model)
