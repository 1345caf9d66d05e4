"""Number formats, norms, the residual streams, meta tokens, and what is predicted beside the next token."""

from typing import Any

from search_spaces.genes import Facts, Gene, GeneValue, Number, OneOf
from search_spaces.numerics import Numerics
from search_spaces.objectives import MultiTokenPrediction, NextLatent
from search_spaces.options.option import Assignment, given, whole

NORMS = {"rms": "rms", "layer": "layer", "dyt": "dyt", "l1": "l1", "sub": "rms"}
"""Words of the gene `norm`: sub is RMSNorm, once more inside attention and feed-forward."""


def _learn_weights(facts: Facts, value: GeneValue) -> Facts:
    return facts if value == "float" else facts.learning({"low_bit"})


GENES = (
    Gene(
        name="norm",
        title="The norm before every part; sub has one more before the output projections (BitNet)",
        limits=OneOf(tuple(NORMS)),
        default="rms",
    ),
    Gene(
        name="weight_format",
        title="Number format of the weights, trained through rounding",
        limits=OneOf(("float", "int8", "int4", "ternary", "fp8_e4m3", "fp8_e5m2")),
        default="float",
        learn=_learn_weights,
    ),
    Gene(
        name="activation_format",
        title="Number format of what the weights multiply",
        limits=OneOf(("float", "int8", "int4", "fp8_e4m3", "fp8_e5m2")),
        default="float",
        needs="low_bit",
    ),
    Gene(
        name="sparsity",
        title="Weights that count: all, or the 2 largest of every 4, or the 4 largest of 8",
        limits=OneOf(("none", "2:4", "4:8")),
        default="none",
    ),
    Gene(
        name="n_streams",
        title="Residual streams; more than one are hyper-connections",
        limits=Number(1, 8),
        default=1,
    ),
    Gene(name="n_meta", title="Learned tokens before the first one", limits=Number(0, 1024), default=0),
    Gene(name="mtp", title="Tokens predicted beyond the next one, in training", limits=Number(0, 4), default=0),
    Gene(
        name="next_latent",
        title="Whether training also predicts the next hidden state",
        limits=OneOf((False, True)),
        default=False,
    ),
)


def numerics(assignment: Assignment) -> dict[str, Any]:
    """These fields of an architecture."""
    n_tokens, d_model = given(assignment, "mtp"), whole(assignment, "d_model")
    low_bit = assignment["weight_format"] != "float"
    formats = {
        "weights": assignment["weight_format"],
        "activations": assignment["activation_format"] if low_bit else "float",
    }
    return {
        "norm": NORMS[str(assignment["norm"])],
        "numerics": Numerics.model_validate(formats | {"sparsity": assignment["sparsity"]}),
        "n_streams": whole(assignment, "n_streams"),
        "n_meta": whole(assignment, "n_meta"),
        "mtp": MultiTokenPrediction(n_tokens=n_tokens) if n_tokens else None,
        "next_latent": NextLatent(d_hidden=d_model) if assignment["next_latent"] else None,
    }
