"""What an architecture costs: the primitives' exact costs plus embeddings, norms and head, in integers.

The torch model has exactly these parameters. Nothing is allocated here, so a model of 10^12 parameters is priced, and
refused, in microseconds.
"""

from search_spaces.architecture import Architecture, Layer
from search_spaces.primitives import Cost, CostContext

MAX_PARAMS = 10**10


def price(architecture: Architecture, context: CostContext) -> Cost:
    """The whole model: embedding (and head when untied), every layer, the final norm, the head's multiplication.

    The input embedding counts as active although a token reads one row of it: published active counts do the same.
    """
    d_model, vocab_size = architecture.d_model, architecture.input.vocab_size
    tables = 1 if architecture.input.tie_embeddings else 2
    ends = tables * vocab_size * d_model + d_model
    total = Cost(params=ends, active_params=ends, flops_per_token=2 * vocab_size * d_model)
    seen: dict[Layer, Cost] = {}
    for layers, n_loops in ((architecture.prelude, 1), (architecture.core, architecture.n_loops), (architecture.coda, 1)):
        for layer in layers:
            if layer not in seen:
                seen[layer] = price_layer(layer, d_model, context)
            total += seen[layer].looped(n_loops)
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
