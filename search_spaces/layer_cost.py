"""What one residual layer costs: its parts, and what joins them to each other and to the residual stream, in integers.

Which tokens a router admits depends on the data; the cost is then the most that can happen: a share of tokens is used up,
every token of a top-1 router takes the branch that costs most, and each branch keeps what it would keep of all tokens.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from search_spaces.layer import Layer
from search_spaces.norm import NormKind, norm_params
from search_spaces.primitives import Cost, CostContext
from search_spaces.quota import quota

COUNTER_BYTES = 4


@dataclass(frozen=True)
class Stream:
    """What layers read and write: vectors of `d_model`, normalised before every part; several are hyper-connected."""

    d_model: int
    norm: NormKind
    n_streams: int = 1

    def norms(self, count: int) -> Cost:
        """Of `count` norms."""
        return _weights(count * norm_params(self.norm, self.d_model), 0)


def price_layer(layer: Layer, stream: Stream, context: CostContext) -> Cost:
    """One layer run once; its `flops_per_token` are not those of one token but of all `context_length` together."""
    if layer.capacity is None:
        return _of_all(sum(_sublayers(layer, stream, context), Cost()), context)
    inside = replace(context, context_length=quota(layer.capacity, context.context_length))
    admitted = _of_all(sum(_sublayers(layer, stream, inside), Cost()), inside)
    # every token is scored; decoding counts those admitted and all
    scores = _weights(stream.d_model + 1, 2 * stream.d_model, 2 * COUNTER_BYTES)
    return admitted + _of_all(scores, context)


def _weights(params: int, flops: int, state_bytes: int = 0) -> Cost:
    """Parameters that every token uses."""
    return Cost(params=params, active_params=params, flops_per_token=flops, state_bytes=state_bytes)


def _of_all(cost: Cost, context: CostContext) -> Cost:
    """The same cost with the FLOPs of all tokens."""
    return replace(cost, flops_per_token=cost.flops_per_token * context.context_length)


def _sublayers(layer: Layer, stream: Stream, context: CostContext) -> Iterator[Cost]:
    if layer.mixers:
        yield stream.norms(1) + _connection(stream) + _mixers(layer, stream, context)
    if layer.channel is not None:
        yield stream.norms(1) + _connection(stream) + layer.channel.cost(stream.d_model, context)


def _connection(stream: Stream) -> Cost:
    """Hyper-connections: n + 2 weights for each stream, from a norm and a matrix, and as many without; two scales."""
    n = stream.n_streams
    if n == 1:
        return Cost()
    computed = 2 * n * stream.d_model * (n + 2)
    mixed = 2 * n * stream.d_model * (n + 1)
    return stream.norms(1) + _weights((n + 2) * (stream.d_model + n) + 2, computed + mixed)


def _mixers(layer: Layer, stream: Stream, context: CostContext) -> Cost:
    widths = layer.widths_at(stream.d_model)
    costs = [mixer.cost(width, context) for mixer, width in zip(layer.mixers, widths, strict=True)]
    joined, every = _fusion(layer, stream), sum(costs, Cost())
    if layer.fusion != "route_top1":
        return joined + every
    active, flops = max(cost.active_params for cost in costs), max(cost.flops_per_token for cost in costs)
    return joined + replace(every, active_params=active, flops_per_token=flops)


def _fusion(layer: Layer, stream: Stream) -> Cost:
    """What joins parallel branches: a norm each, gates for every branch and channel, or a router."""
    n_branches, d_model = len(layer.mixers), stream.d_model
    if layer.fusion == "norm_mean":
        return stream.norms(n_branches)
    columns = {
        "add": 0,
        "gate": d_model if layer.widths else n_branches * d_model,
        "route_soft": n_branches,
        "route_top1": n_branches,
    }[layer.fusion]
    return _weights(d_model * columns, 2 * d_model * columns)
