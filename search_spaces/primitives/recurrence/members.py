"""The published members of the recurrence family as data: what sets each apart, sizes left out."""

from collections.abc import Mapping

SIZES = frozenset(
    ("n_heads", "n_groups", "key_dim", "value_dim", "decay_scale", "decay_floor", "beta_scale")
)  # fmt: skip
OPTIONAL_SIZES = frozenset(("conv_width", "decay_rank", "gate_rank", "n_features"))

Knobs = Mapping[str, object]

MEMBERS: Mapping[str, Knobs] = {
    "linear": {"decay": "none", "feature_map": "elu1", "normaliser": "sum", "gate": False, "out_norm": "none"},
    "performer": {
        "decay": "none",
        "feature_map": "favor",
        "n_features": 64,
        "normaliser": "sum",
        "gate": False,
        "out_norm": "none",
    },
    "retnet": {"decay": "fixed", "rope": True, "out_norm": "head_plain"},
    "lightning": {
        "decay": "slope",
        "feature_map": "silu",
        "value_silu": True,
        "scale_queries": False,
        "gate_activation": "sigmoid",
        "out_norm": "width",
    },
    "mamba2": {"decay": "step", "write": "step", "conv_width": 4, "conv_bias": True, "skip": True, "out_norm": "gated"},
    "gla": {"decay": "low_rank", "decay_rank": 16},
    "hgrn2": {
        "decay": "sigmoid",
        "decay_dim": "key",
        "tied_keys": True,
        "feature_map": "silu",
        "gate": False,
        "out_norm": "width",
    },
    "deltanet": {"decay": "none", "write": "delta", "conv_width": 4, "qk_norm": True, "gate": False},
    "gdn": {"decay": "step", "write": "delta", "conv_width": 4, "qk_norm": True},
    "kda": {
        "decay": "step",
        "decay_dim": "key",
        "decay_rank": 16,
        "write": "delta",
        "conv_width": 4,
        "qk_norm": True,
        "gate_activation": "sigmoid",
        "gate_rank": 16,
    },
    "mlstm": {
        "decay": "sigmoid",
        "write": "exp",
        "normaliser": "max",
        "gate_activation": "sigmoid",
        "out_norm": "layer",
    },
}


def member_of(knobs: Knobs) -> str | None:
    """The member with these knobs, whatever the sizes; None when they are no published member's."""
    return _NAMES.get(_identity(knobs))


def _identity(knobs: Knobs) -> frozenset[tuple[str, object]]:
    """Knobs that tell members apart: of a size that may be absent, that it is there."""
    return frozenset((name, name in OPTIONAL_SIZES or value) for name, value in knobs.items() if name not in SIZES)


_NAMES = {_identity(knobs): name for name, knobs in MEMBERS.items()}
