"""Encoders, whose mixers see later tokens: studies refuse them in causal tasks."""

from search_spaces.architecture import Architecture
from search_spaces.primitives.fnet import FNet
from search_spaces.primitives.linformer import Linformer
from search_spaces.zoo.entry import ZooEntry, ffn, head_dim, heads, stack


def _linformer(d_model: int, vocab_size: int) -> Architecture:
    mixer = Linformer(n_heads=heads(d_model), head_dim=head_dim(d_model), rank=32, max_length=1024)
    return stack(4, mixer, ffn(d_model), d_model, vocab_size)


def _fnet(d_model: int, vocab_size: int) -> Architecture:
    return stack(4, FNet(), ffn(d_model), d_model, vocab_size)


LINFORMER = ZooEntry(
    name="linformer",
    title="Linformer, an encoder: attention to 32 learned mixtures of all tokens",
    source="arXiv 2006.04768",
    simplified=(
        "Pre-norm RMSNorm and SwiGLU; positions only in the matrices over time, which all heads share but no layers do; "
        "at most 1024 tokens; 4 layers."
    ),
    builder=_linformer,
)
FNET = ZooEntry(
    name="fnet",
    title="FNet, an encoder: a Fourier transform over time and channels mixes the tokens",
    source="arXiv 2105.03824",
    simplified="Pre-norm RMSNorm and SwiGLU for LayerNorm behind and GELU; no position or type embeddings; 4 layers.",
    builder=_fnet,
)
