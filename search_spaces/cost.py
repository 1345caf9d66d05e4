"""What an architecture costs: the primitives' exact costs plus embeddings, norms and head, in integers.

The torch model has exactly these parameters. Nothing is allocated here, so a model of 10^12 parameters is priced, and
refused, in microseconds.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from search_spaces.architecture import Architecture, Layer
from search_spaces.norm import norm_params
from search_spaces.primitives import Cost, CostContext

MAX_PARAMS = 10**10


def price(architecture: Architecture, context: CostContext) -> Cost:
    """The whole model in evaluation: ends, meta tokens, every layer in every loop, what joins the loops, and the last norm.

    Meta tokens are run once for a sequence; their work counts among that of its `context_length` tokens.
    """
    n_tokens = context.context_length + architecture.n_meta
    inner = _looping(architecture, replace(context, context_length=n_tokens))
    for layers, loop, n_run in _runs(architecture, n_tokens):
        # weights count once, in the first loop
        inner += _price_layers(architecture, layers, replace(context, context_length=n_run, loop=loop), weights=loop == 0)
    params = architecture.n_meta * architecture.d_model + norm_params(architecture.norm, architecture.d_model)
    inner += Cost(params=params, active_params=params)
    return _ends(architecture) + replace(inner, flops_per_token=-(-inner.flops_per_token // context.context_length))


def _ends(architecture: Architecture) -> Cost:
    """Embedding, and head when untied; the head's multiplication.

    The input embedding counts as active although a token reads one row of it: published active counts do the same.
    """
    d_model, vocab_size = architecture.d_model, architecture.input.vocab_size
    params = (1 if architecture.input.tie_embeddings else 2) * vocab_size * d_model
    return Cost(params=params, active_params=params, flops_per_token=2 * vocab_size * d_model)


def _runs(architecture: Architecture, n_tokens: int) -> Iterator[tuple[tuple[Layer, ...], int, int]]:
    """The layers in the order a token passes them, with their loop and the tokens of `n_tokens` that are in it."""
    yield architecture.prelude, 0, n_tokens
    for loop in range(architecture.n_eval_loops):
        yield architecture.core, loop, _in_loop(architecture, loop, n_tokens)
    yield architecture.coda, 0, n_tokens


def _in_loop(architecture: Architecture, loop: int, n_tokens: int) -> int:
    return math.ceil(architecture.loop.capacity(loop, architecture.n_loops) * n_tokens)


def _looping(architecture: Architecture, context: CostContext) -> Cost:
    """What joins the loops and decides on them; the FLOPs are those of all `context_length` tokens together."""
    d_model, loop, n_tokens = architecture.d_model, architecture.loop, context.context_length
    n_later = architecture.n_eval_loops - 1
    n_joined = sum(_in_loop(architecture, later, n_tokens) for later in range(1, n_later + 1))
    join = 2 * d_model**2 if architecture.injection == "concat" else 0
    # rows of the routers' matrices, how many of them have a bias, and how many a token is multiplied with
    rows, biases, used = {
        "fixed": (0, 0, 0),
        "token_choice": (architecture.n_loops, 0, architecture.n_loops),
        "expert_choice": (n_later, n_later, n_later),
        "halting": (1, 1, n_later),
    }[loop.depth]
    steps = architecture.n_loops * d_model if loop.step_embedding else 0
    norm = norm_params(architecture.norm, d_model) if loop.norm else 0
    params = join + rows * d_model + biases + steps + norm
    return Cost(
        params=params,
        active_params=params,
        flops_per_token=2 * join * n_joined + 2 * d_model * used * n_tokens,
        state_bytes=n_later * d_model * context.bytes_per_element if loop.shift else 0,
    )


def _price_layers(architecture: Architecture, layers: Iterable[Layer], context: CostContext, weights: bool) -> Cost:
    """Layers run once; the FLOPs are those of all `context_length` tokens together."""
    total = Cost()
    for layer, count in Counter(layers).items():
        one = price_layer(layer, architecture.d_model, context)
        total += Cost(
            params=one.params * count * weights,
            active_params=one.active_params * count * weights,
            flops_per_token=one.flops_per_token * count * context.context_length,
            state_bytes=one.state_bytes * count,
        )
    return total


def price_layer(layer: Layer, d_model: int, context: CostContext) -> Cost:
    """One layer run once: its parts, a norm before the mixers, one before the channel part, one per averaged branch."""
    averaged = len(layer.mixers) if layer.fusion == "norm_mean" else 0
    norms = (bool(layer.mixers) + (layer.channel is not None) + averaged) * d_model
    return sum((part.cost(d_model, context) for part in layer.parts()), Cost(params=norms, active_params=norms))


def check_size(architecture: Architecture) -> None:
    """Raise ValueError when the architecture has more than `MAX_PARAMS` parameters. Call it before building anything."""
    params = price(architecture, CostContext(context_length=1)).params
    if params > MAX_PARAMS:
        raise ValueError(f"{params:,} parameters; at most {MAX_PARAMS:,}: lower d_model, the depth or the expert count")
