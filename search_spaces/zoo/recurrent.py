"""Models whose every mixer is a linear recurrence."""

from search_spaces.architecture import Architecture, Layer, TokenInput
from search_spaces.primitives import Channel
from search_spaces.primitives.recurrence import Recurrence, gated_deltanet, gla, mamba2, retnet
from search_spaces.zoo.entry import HEAD_DIM, ZooEntry, ffn, heads


def _stack(mixer: Recurrence, channel: Channel | None, n_layers: int, d_model: int, vocab_size: int) -> Architecture:
    layer = Layer(mixers=(mixer,), channel=channel)
    return Architecture(d_model=d_model, input=TokenInput(vocab_size=vocab_size), core=(layer,) * n_layers)


def _mamba2(d_model: int, vocab_size: int) -> Architecture:
    mixer = mamba2(d_model, n_heads=heads(d_model), state_size=2 * HEAD_DIM)
    return _stack(mixer, None, 6, d_model, vocab_size)


def _retnet(d_model: int, vocab_size: int) -> Architecture:
    mixer = retnet(d_model, n_heads=heads(d_model), key_dim=HEAD_DIM)
    return _stack(mixer, ffn(d_model), 4, d_model, vocab_size)


def _gla(d_model: int, vocab_size: int) -> Architecture:
    mixer = gla(d_model, n_heads=heads(d_model), key_dim=HEAD_DIM)
    return _stack(mixer, ffn(d_model), 4, d_model, vocab_size)


def _gated_deltanet(d_model: int, vocab_size: int) -> Architecture:
    mixer = gated_deltanet(d_model, n_heads=heads(d_model), key_dim=HEAD_DIM)
    return _stack(mixer, ffn(d_model), 4, d_model, vocab_size)


MAMBA2 = ZooEntry(
    name="mamba2",
    title="Mamba-2, every layer a state-space mixer without channel part",
    source="arXiv 2405.21060",
    simplified="State size 32 for the published 64 to 128; 6 layers.",
    builder=_mamba2,
)
RETNET = ZooEntry(
    name="retnet",
    title="RetNet: retention with a fixed decay per head",
    source="arXiv 2307.08621",
    simplified="SwiGLU where the paper has GELU; rotary positions without xPos scaling; keys of 16; 4 layers.",
    builder=_retnet,
)
GLA = ZooEntry(
    name="gla",
    title="Gated linear attention: a data-dependent decay per key channel",
    source="arXiv 2312.06635",
    simplified="Keys of 16 per head where the paper has half the head's width; 4 layers.",
    builder=_gla,
)
GATED_DELTANET = ZooEntry(
    name="gated_deltanet",
    title="Gated DeltaNet: the delta rule with a decaying state",
    source="arXiv 2412.06464",
    simplified="Values as wide as the model where the paper doubles them; 4 layers.",
    builder=_gated_deltanet,
)
