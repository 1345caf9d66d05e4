"""How the mixers of a layer join, and which tokens pass it."""

from search_spaces.genes import Facts, Gene, GeneValue, Number

FUSIONS: dict[str, tuple[str, ...]] = {
    "serial": (),
    "parallel_add": ("linear",),
    "parallel_norm_mean": ("linear",),
    "parallel_gate": ("linear",),
    "parallel_split": ("linear",),
    "route_soft": ("linear",),
    "route_top1": ("linear",),
}
"""Words of the gene `fusion`, with what they let later genes know."""

LAYER_FUSION = {
    "parallel_add": "add",
    "parallel_norm_mean": "norm_mean",
    "parallel_gate": "gate",
    "parallel_split": "gate",
    "route_soft": "route_soft",
    "route_top1": "route_top1",
}
"""The layer's fusion for each word of parallel mixers."""


def _learn_capacity(facts: Facts, value: GeneValue) -> Facts:
    return facts.learning({"skipping"}) if float(value) < 1 else facts


GENES = (
    Gene(
        name="token_capacity",
        title="Share of the tokens that pass the layers of Mixture-of-Depths; 1 for all tokens through every layer",
        limits=Number(0.01, 1, whole=False),
        default=1.0,
        learn=_learn_capacity,
    ),
    Gene(
        name="capacity_period",
        title="Every how many layers one is of Mixture-of-Depths",
        limits=Number(1, 256),
        default=2,
        needs="skipping",
    ),
    Gene(
        name="kv_share",
        title="Attention layers in a row that share one layer's keys and values, where they can",
        limits=Number(1, 8),
        default=1,
        needs="attention",
    ),
)
