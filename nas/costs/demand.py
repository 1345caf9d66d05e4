"""What an architecture asks of a machine at one context: numbers to hold, to read for a token, and to multiply.

Everything follows from the exact costs and a few stated rules; `ASSUMPTIONS` says them in words.
"""

from dataclasses import dataclass
from typing import Final

from search_spaces.architecture import Architecture, BytePatchInput, TokenInput
from search_spaces.cost import price
from search_spaces.layer_cost import Stream, price_layer
from search_spaces.primitives import CostContext

WEIGHT_BYTES: Final = 2
"""bfloat16, as weights are served and multiplied in training."""
TRAINING_BYTES: Final = {"weights": 2, "gradients": 2, "optimiser": 12}
"""Of each parameter in mixed precision: bfloat16 weights and gradients, and in float32 the weights again and AdamW's two
moments (arXiv 1910.02054, section 3.1)."""
LOGIT_BYTES: Final = 8
"""A float32 logit and its gradient."""
BACKWARD: Final = 3
"""Forward and backward take three times the products of forward alone."""

ASSUMPTIONS: Final = (
    "weights and decode state in bfloat16; FLOPs of a token are the mean over its context, logits of every token included",
    "a decoding step reads the weights that one token uses once (a batch that takes more experts reads more), a looped core's "
    "once for each loop, and every sequence's state; of an input table that is no head, nothing",
    "prefill reads those weights once for all tokens; devices share work and memory perfectly and talk in no time",
    "training takes 3 times the forward FLOPs; what only training adds (multi-token heads) and recomputation are not counted",
    "a trained parameter takes 16 bytes: bfloat16 weights and gradients, float32 weights and two AdamW moments",
    "of activations only every layer's input is kept in bfloat16, and the logits with their gradients in float32",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Of one architecture at one context length; bytes and FLOPs."""

    context_length: int
    params: int
    read_params: int
    """Weights that a decoding step reads, repeated reads counted."""
    flops_per_token: int
    state_bytes: int
    """Of one sequence."""
    training_flops_per_token: int
    """Forward and backward, with the loops of training."""
    activation_bytes: int
    """Of one sequence in training."""


def demand_of(architecture: Architecture, context_length: int) -> Demand:
    """At a context of `context_length` tokens."""
    context = CostContext(context_length=context_length)
    cost = price(architecture, context)
    return Demand(
        context_length=context_length,
        params=cost.params,
        read_params=cost.active_params - _looked_up(architecture) + _read_again(architecture),
        flops_per_token=cost.flops_per_token,
        state_bytes=cost.state_bytes,
        training_flops_per_token=BACKWARD * price(_in_training(architecture), context).flops_per_token,
        activation_bytes=context_length * _activation_bytes(architecture),
    )


def _looked_up(architecture: Architecture) -> int:
    """Parameters of tables of which a token reads one row, although they count as active."""
    source = architecture.input
    if not isinstance(source, TokenInput):
        return 0
    return ((not source.tie_embeddings) + source.rosa) * source.vocab_size * architecture.d_model


def _read_again(architecture: Architecture) -> int:
    """Weights of the core for every loop after the first: no cache holds a core that is worth looping."""
    stream = Stream(architecture.d_model, architecture.norm, architecture.n_streams)
    core = sum(price_layer(layer, stream, CostContext(context_length=1)).active_params for layer in architecture.core)
    return (architecture.n_eval_loops - 1) * core


def _in_training(architecture: Architecture) -> Architecture:
    """With as many loops as training has."""
    return architecture.model_copy(update={"loop": architecture.loop.model_copy(update={"eval_loops": None})})


def _activation_bytes(architecture: Architecture) -> int:
    """Of one token: the residual stream before each layer, and its logits. The layers see one patch for several bytes."""
    source, n_layers = architecture.input, architecture.n_unrolled_layers
    stream = WEIGHT_BYTES * n_layers * architecture.n_streams * architecture.d_model
    logits = LOGIT_BYTES * source.n_outputs
    if isinstance(source, BytePatchInput):
        return -(-stream // source.patch_size) + WEIGHT_BYTES * len(source.within) * source.d_byte + logits
    return stream + logits
