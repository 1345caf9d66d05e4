"""Linear attention: every mixer keeps a matrix for each head, into which tokens write and from which they read."""

from search_spaces.architecture import Architecture
from search_spaces.primitives.recurrence import deltanet, gated_deltanet, gla, hgrn2, mlstm, performer, retnet
from search_spaces.zoo.entry import HEAD_DIM, ZooEntry, ffn, head_dim, heads, stack


def _performer(d_model: int, vocab_size: int) -> Architecture:
    mixer = performer(d_model, n_heads=heads(d_model), key_dim=head_dim(d_model), n_features=32)
    return stack(4, mixer, ffn(d_model), d_model, vocab_size)


def _retnet(d_model: int, vocab_size: int) -> Architecture:
    mixer = retnet(d_model, n_heads=heads(d_model), key_dim=HEAD_DIM)
    return stack(4, mixer, ffn(d_model), d_model, vocab_size)


def _gla(d_model: int, vocab_size: int) -> Architecture:
    mixer = gla(d_model, n_heads=heads(d_model), key_dim=HEAD_DIM)
    return stack(4, mixer, ffn(d_model), d_model, vocab_size)


def _hgrn2(d_model: int, vocab_size: int) -> Architecture:
    mixer = hgrn2(d_model, n_heads=heads(d_model), key_dim=head_dim(d_model))
    return stack(4, mixer, ffn(d_model), d_model, vocab_size)


def _deltanet(d_model: int, vocab_size: int) -> Architecture:
    mixer = deltanet(d_model, n_heads=heads(d_model), key_dim=head_dim(d_model))
    return stack(4, mixer, ffn(d_model), d_model, vocab_size)


def _gated_deltanet(d_model: int, vocab_size: int) -> Architecture:
    mixer = gated_deltanet(d_model, n_heads=heads(d_model), key_dim=HEAD_DIM)
    return stack(4, mixer, ffn(d_model), d_model, vocab_size)


def _xlstm(d_model: int, vocab_size: int) -> Architecture:
    mixer = mlstm(d_model, n_heads=heads(d_model), key_dim=HEAD_DIM)
    return stack(4, mixer, ffn(d_model), d_model, vocab_size)


PERFORMER = ZooEntry(
    name="performer",
    title="Performer: softmax attention estimated with positive orthogonal random features",
    source="arXiv 2009.14794",
    simplified="32 features, drawn once and never anew; no position embeddings; pre-norm RMSNorm and SwiGLU; 4 layers.",
    builder=_performer,
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
HGRN2 = ZooEntry(
    name="hgrn2",
    title="HGRN2: a forget gate per key channel, and what it forgets is the key",
    source="arXiv 2404.07904",
    simplified="The same lower bound of the forget gates, 0, in every layer, where the paper learns rising ones; 4 layers.",
    builder=_hgrn2,
)
DELTANET = ZooEntry(
    name="deltanet",
    title="DeltaNet: each token replaces what the state holds under its key",
    source="arXiv 2406.06484",
    simplified="4 layers for 24.",
    builder=_deltanet,
)
GATED_DELTANET = ZooEntry(
    name="gated_deltanet",
    title="Gated DeltaNet: the delta rule with a decaying state",
    source="arXiv 2412.06464",
    simplified="Values as wide as the model where the paper doubles them; 4 layers.",
    builder=_gated_deltanet,
)
XLSTM = ZooEntry(
    name="xlstm",
    title="xLSTM: matrix memory with exponential input and sigmoid forget gates (mLSTM)",
    source="arXiv 2405.04517, 2503.13427 (xLSTM 7B)",
    simplified="The block of the 7B model, mLSTM and SwiGLU, without gate soft caps; no sLSTM layers; 4 layers for 32.",
    builder=_xlstm,
)
