"""RWKV, three generations: a time-mix and a channel part, each of which mixes a token with the one before."""

from search_spaces.architecture import Architecture
from search_spaces.primitives.relu2 import ReLU2
from search_spaces.primitives.rwkv4 import RWKV4
from search_spaces.primitives.rwkv6 import RWKV6
from search_spaces.primitives.rwkv7 import RWKV7
from search_spaces.primitives.rwkv_channel import RWKVChannel
from search_spaces.zoo.entry import HEAD_DIM, ZooEntry, head_dim, heads, stack


def _rwkv4(d_model: int, vocab_size: int) -> Architecture:
    return stack(4, RWKV4(), RWKVChannel(d_ff=4 * d_model), d_model, vocab_size, norm="layer")


def _rwkv6(d_model: int, vocab_size: int) -> Architecture:
    mixer = RWKV6(n_heads=heads(d_model), head_dim=head_dim(d_model), decay_rank=HEAD_DIM, shift_rank=HEAD_DIM)
    return stack(4, mixer, RWKVChannel(d_ff=4 * d_model), d_model, vocab_size, norm="layer")


def _rwkv7(d_model: int, vocab_size: int) -> Architecture:
    mixer = RWKV7(
        n_heads=heads(d_model), head_dim=head_dim(d_model), decay_rank=HEAD_DIM, replace_rank=HEAD_DIM, gate_rank=HEAD_DIM
    )
    return stack(4, mixer, ReLU2(d_ff=4 * d_model), d_model, vocab_size, norm="layer")


RWKV_4 = ZooEntry(
    name="rwkv4",
    title="RWKV-4: every channel a decaying mean of values, weighted by its keys",
    source="arXiv 2305.13048",
    simplified="No norm behind the embedding; 4 layers for 12 and more.",
    builder=_rwkv4,
)
RWKV_6 = ZooEntry(
    name="rwkv6",
    title="RWKV-6 (Finch): matrix states, with decays and token mixes that depend on the data",
    source="arXiv 2404.05892",
    simplified="Ranks of 16 for 32 and 64; hidden width 4 d_model for 3.5; no norm behind the embedding; 4 layers.",
    builder=_rwkv6,
)
RWKV_7 = ZooEntry(
    name="rwkv7",
    title="RWKV-7 (Goose): a state that forgets by channel and removes what one key holds",
    source="arXiv 2503.14456",
    simplified=(
        "No value residual from the first layer, no token shift in the channel part, no norm behind the embedding; ranks of "
        "16; 4 layers."
    ),
    builder=_rwkv7,
)
