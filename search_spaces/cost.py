"""What an architecture costs: the primitives' exact costs plus embeddings, norms and head, in integers.

The torch model has exactly these parameters. Nothing is allocated here, so a model of 10^12 parameters is priced, and
refused, in microseconds.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from search_spaces.architecture import Architecture, Layer
from search_spaces.inputs import BytePatchInput, ContinuousInput, Input
from search_spaces.layer_cost import Stream, price_layer
from search_spaces.norm import norm_params
from search_spaces.objectives import block_of
from search_spaces.primitives import Cost, CostContext
from search_spaces.quota import quota

MAX_PARAMS = 10**10
INT32_BYTES = 4


def price(architecture: Architecture, context: CostContext) -> Cost:
    """The whole model in evaluation: ends, meta tokens, every layer in every loop, what joins the loops, and the last norm.

    Meta tokens are run once for a sequence; their work counts among that of its `context_length` tokens. A part whose mean work
    is no whole number is rounded up, so the sum may exceed the count by one FLOP for each part.
    """
    stream = Stream(architecture.d_model, architecture.norm, architecture.n_streams)
    n_tokens = _trunk_length(architecture.input, context.context_length) + architecture.n_meta
    total = _ends(architecture, context) + _looping(architecture, replace(context, context_length=n_tokens))
    for layers, loop, n_run in _runs(architecture, n_tokens):
        # weights count once, in the first loop
        run = replace(context, context_length=n_run, loop=loop)
        total += _price_layers(layers, stream, run, weights=loop == 0)
    total += stream.norms(1) + _weights(architecture.n_meta * architecture.d_model)
    total += Cost(params=_objectives(architecture))
    return replace(total, flops_per_token=-(-total.flops_per_token // context.context_length))


def _weights(params: int, flops: int = 0, state_bytes: int = 0) -> Cost:
    """Parameters that every token uses."""
    return Cost(params=params, active_params=params, flops_per_token=flops, state_bytes=state_bytes)


def _trunk_length(source: Input, n_tokens: int) -> int:
    """How often the layers run: once for every token, or for every patch that has begun."""
    return math.ceil(n_tokens / source.patch_size) if isinstance(source, BytePatchInput) else n_tokens


def _ends(architecture: Architecture, context: CostContext) -> Cost:
    """What comes before the layers and behind the last norm; the FLOPs are those of all `context_length` tokens together.

    The input embedding counts as active although a token reads one row of it: published active counts do the same.
    """
    source, d_model, n_tokens = architecture.input, architecture.d_model, context.context_length
    if isinstance(source, BytePatchInput):
        return _byte_patch_ends(architecture, source, context)
    if isinstance(source, ContinuousInput):
        matrix = source.n_channels * d_model
        return _weights(2 * matrix + source.n_channels + d_model, flops=2 * 2 * matrix * n_tokens)
    table = source.vocab_size * d_model
    n_tables = 1 + source.rosa + (not source.tie_embeddings)
    seen = 2 * INT32_BYTES * n_tokens if source.rosa else 0
    return _weights(n_tables * table, flops=2 * table * n_tokens, state_bytes=seen)


def _byte_patch_ends(architecture: Architecture, source: BytePatchInput, context: CostContext) -> Cost:
    """Both tables, the matrices between bytes and patches, and the layers within a patch with the norm behind them.

    The last patch of `context_length` bytes may be unfinished, and no patch reads it yet.
    """
    d_model, d_byte, n_bytes = architecture.d_model, source.d_byte, context.context_length
    n_before = _trunk_length(source, n_bytes) - 1
    table, matrix = source.vocab_size * d_byte, source.patch_size * d_byte * d_model
    last = replace(context, context_length=n_bytes - n_before * source.patch_size)
    full = replace(context, context_length=source.patch_size)
    stream = Stream(d_byte, architecture.norm)
    within = _price_layers(source.within, stream, last, weights=True)
    flops = 2 * (table + d_byte * d_model) * n_bytes + n_before * (
        2 * matrix + _price_layers(source.within, stream, full, weights=False).flops_per_token
    )
    params = (1 if source.tie_embeddings else 2) * table + 2 * matrix + d_model + norm_params(architecture.norm, d_byte)
    state_bytes = INT32_BYTES * last.context_length + d_model * context.bytes_per_element
    return within + _weights(params, flops, state_bytes)


def _objectives(architecture: Architecture) -> int:
    """Parameters of what predicts more than the next token: it trains only, so no token uses them."""
    d_model, params = architecture.d_model, 0
    if architecture.mtp is not None:
        block = price_layer(
            block_of(architecture.layers()[-1]), Stream(d_model, architecture.norm), CostContext(context_length=1)
        ).params
        norms = 3 * norm_params(architecture.norm, d_model)
        params += architecture.mtp.n_tokens * (norms + 2 * d_model**2 + block)
    if architecture.next_latent is not None:
        hidden = architecture.next_latent.d_hidden
        params += norm_params("layer", 2 * d_model) + (2 * d_model + 1) * hidden + (hidden + 1) * (hidden + d_model)
    return params


def _runs(architecture: Architecture, n_tokens: int) -> Iterator[tuple[tuple[Layer, ...], int, int]]:
    """The layers in the order a token passes them, with their loop and the tokens of `n_tokens` that are in it."""
    yield architecture.prelude, 0, n_tokens
    for loop in range(architecture.n_eval_loops):
        yield architecture.core, loop, _in_loop(architecture, loop, n_tokens)
    yield architecture.coda, 0, n_tokens


def _in_loop(architecture: Architecture, loop: int, n_tokens: int) -> int:
    return quota(architecture.loop.capacity(loop, architecture.n_loops), n_tokens)


def _looping(architecture: Architecture, context: CostContext) -> Cost:
    """What joins the loops and decides on them; the FLOPs are those of all `context_length` tokens together."""
    d_model, loop, n_tokens = architecture.d_model, architecture.loop, context.context_length
    n_later = architecture.n_eval_loops - 1
    n_joined = sum(_in_loop(architecture, later, n_tokens) for later in range(1, n_later + 1))
    join = 2 * d_model**2 if architecture.injection == "concat" else 0
    # rows of the routers' matrices, how many of them have a bias, and how many a token is multiplied with
    rows, biases, used = {
        "fixed": (0, 0, 0),
        "token_choice": (architecture.n_loops, architecture.n_loops, architecture.n_loops),
        "expert_choice": (n_later, n_later, n_later),
        "halting": (1, 1, n_later),
    }[loop.depth]
    steps = architecture.n_loops * d_model if loop.step_embedding else 0
    norm = norm_params(architecture.norm, d_model) if loop.norm else 0
    kept = n_later * architecture.n_streams * d_model * context.bytes_per_element if loop.shift else 0
    counts = 2 * INT32_BYTES * n_later if loop.routed else 0
    return _weights(
        join + rows * d_model + biases + steps + norm,
        flops=2 * join * architecture.n_streams * n_joined + 2 * d_model * used * n_tokens,
        state_bytes=kept + counts,
    )


def _price_layers(layers: Iterable[Layer], stream: Stream, context: CostContext, weights: bool) -> Cost:
    """Layers run once; the FLOPs are those of all `context_length` tokens together."""
    total = Cost()
    for layer, count in Counter(layers).items():
        one = price_layer(layer, stream, context)
        total += Cost(
            params=one.params * count * weights,
            active_params=one.active_params * count * weights,
            flops_per_token=one.flops_per_token * count,
            state_bytes=one.state_bytes * count,
        )
    return total


def check_size(architecture: Architecture) -> None:
    """Raise ValueError when the architecture has more than `MAX_PARAMS` parameters. Call it before building anything."""
    params = price(architecture, CostContext(context_length=1)).params
    if params > MAX_PARAMS:
        raise ValueError(f"{params:,} parameters; at most {MAX_PARAMS:,}: lower d_model, the depth or the expert count")
