"""Depth and mixers by use: loops over the same layers, tokens that leave early or skip, and a router over mixers."""

from search_spaces.architecture import Architecture, Layer, Loop, TokenInput
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.recurrence import gated_deltanet
from search_spaces.zoo.entry import HEAD_DIM, ZooEntry, attention, ffn, head_dim, heads, model


def _layer(d_model: int) -> Layer:
    return Layer(mixers=(attention(d_model),), channel=ffn(d_model))


def _universal_transformer(d_model: int, vocab_size: int) -> Architecture:
    return Architecture(
        d_model=d_model,
        input=TokenInput(vocab_size=vocab_size),
        core=(_layer(d_model),),
        n_loops=4,
        loop=Loop(step_embedding=True, depth="halting"),
    )


def _looped_transformer(d_model: int, vocab_size: int) -> Architecture:
    layer = (_layer(d_model),)
    return Architecture(
        d_model=d_model,
        input=TokenInput(vocab_size=vocab_size),
        prelude=layer,
        core=layer,
        n_loops=3,
        injection="add",
        coda=layer,
    )


def _loopcoder_v2(d_model: int, vocab_size: int) -> Architecture:
    """The second loop reads the first one's keys, and through a gate the last tokens of its own."""
    n_heads = heads(d_model)
    mixer = Attention(
        n_heads=n_heads,
        n_kv_heads=max(1, n_heads // 2),
        head_dim=head_dim(d_model),
        loop_kv="first",
        loop_window=32,
    )
    return Architecture(
        d_model=d_model,
        input=TokenInput(vocab_size=vocab_size),
        core=(Layer(mixers=(mixer,), channel=ffn(d_model)),) * 4,
        n_loops=2,
        injection="add",
        loop=Loop(shift=True),
    )


def _mixture_of_recursions(d_model: int, vocab_size: int) -> Architecture:
    """Middle cycle: the first and the last layer have weights of their own. Two thirds, then one third of the tokens go on."""
    layer = _layer(d_model)
    return Architecture(
        d_model=d_model,
        input=TokenInput(vocab_size=vocab_size),
        prelude=(layer,),
        core=(layer, layer),
        n_loops=3,
        loop=Loop(depth="expert_choice"),
        coda=(layer,),
    )


def _mixture_of_depths(d_model: int, vocab_size: int) -> Architecture:
    """Every second layer takes one token in eight."""
    layer = _layer(d_model)
    return model(d_model, vocab_size, *(layer, layer.model_copy(update={"capacity": 0.125})) * 3)


def _mixture_of_architectures(d_model: int, vocab_size: int) -> Architecture:
    mixers = (attention(d_model), gated_deltanet(d_model, n_heads=heads(d_model), key_dim=HEAD_DIM))
    return model(d_model, vocab_size, *(Layer(mixers=mixers, fusion="route_top1", channel=ffn(d_model)),) * 4)


UNIVERSAL_TRANSFORMER = ZooEntry(
    name="universal_transformer",
    title="Universal Transformer: one layer again and again, until each token halts",
    source="arXiv 1807.03819, 1603.08983 (adaptive computation time)",
    simplified=(
        "A decoder; all tokens run all 4 loops, and the output is their mean by halting probability; learned step embeddings, "
        "rotary positions, pre-norm RMSNorm and SwiGLU."
    ),
    builder=_universal_transformer,
)
LOOPED_TRANSFORMER = ZooEntry(
    name="looped_transformer",
    title="Looped transformer: between a first and a last layer, one layer three times",
    source="arXiv 1807.03819, 2502.05171",
    simplified="A fixed number of loops, without halting and step embeddings; the core's input is added in every loop.",
    builder=_looped_transformer,
)
LOOPCODER_V2 = ZooEntry(
    name="loopcoder_v2",
    title="LoopCoder-v2: two loops that run in parallel, one token apart, on the first's keys",
    source="arXiv 2606.18023, 2510.24824 (parallel loop transformer)",
    simplified="4 layers, all of them in the loop; of its own keys the second loop sees the last 32 tokens'.",
    builder=_loopcoder_v2,
)
MIXTURE_OF_RECURSIONS = ZooEntry(
    name="mixture_of_recursions",
    title="Mixture-of-Recursions: a router decides how often each token passes the shared layers",
    source="arXiv 2507.10524",
    simplified=(
        "The router chooses among the tokens so far, where the paper takes the best of the whole sequence in training; two "
        "shared layers, three recursions."
    ),
    builder=_mixture_of_recursions,
)
MIXTURE_OF_DEPTHS = ZooEntry(
    name="mixture_of_depths",
    title="Mixture-of-Depths: one token in eight passes every second layer",
    source="arXiv 2404.02258",
    simplified=(
        "A token is chosen by its own score among the tokens so far, where the paper takes the best of the whole sequence in "
        "training; 6 layers."
    ),
    builder=_mixture_of_depths,
)
MIXTURE_OF_ARCHITECTURES = ZooEntry(
    name="mixture_of_architectures",
    title="Mixture of architectures: a router sends each token to attention or Gated DeltaNet",
    source="arXiv 2412.06464 for Gated DeltaNet; the mixture is a common proposal, not a paper's",
    simplified="Two mixers, the best one for each token; 4 layers.",
    builder=_mixture_of_architectures,
)
