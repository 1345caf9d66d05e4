"""Weights of transformers' `mamba2` (Mamba2Mixer) and of the recurrence's member `mamba2`."""

import numpy as np

from nas.export.huggingface.model import Family, place
from nas.export.huggingface.recurrences import reordered, require_member, rows_of
from nas.export.huggingface.rules import Rules, same
from search_spaces.architecture import Architecture
from search_spaces.primitives.recurrence import Recurrence


def mixer_rules(config: Recurrence) -> Rules:
    """For one mixer without projection biases. Raises ValueError for another member of the family."""
    require_member(config, "mamba2", "mamba2")
    return mamba2_rules(config)


def mamba2_rules(config: Recurrence) -> Rules:
    """What every Mamba-2 mixer of transformers has: theirs is gate, values, keys, queries and steps."""
    keys, width = config.keys_width, config.inner_width
    gate, values, key, query, steps = rows_of([width, width, keys, keys, config.n_heads])
    conv = np.concatenate([query, key, values]) - width
    renamed = {
        "decay.log_rate_H": "A_log",
        "decay.step_bias_H": "dt_bias",
        "skip_H": "D",
        "norm.weight": "norm.weight",
        "out_proj.weight": "out_proj.weight",
    }
    return (
        reordered(
            "in_proj.weight",
            ["in_proj.weight"],
            [2 * (width + keys) + config.n_heads],
            np.concatenate([query, key, values, gate, steps]),
        ),
        reordered("conv.weight", ["conv1d.weight"], [len(conv)], conv),
        reordered("conv.bias", ["conv1d.bias"], [len(conv)], conv),
        *(same(ours, theirs) for ours, theirs in renamed.items()),
    )


FAMILY = Family(
    name="mamba2",
    mixers=(place(Recurrence, "mixer.", mixer_rules, called="mamba2"),),
    embedding="backbone.embeddings.weight",
    last_norm="backbone.norm_f",
    layers="backbone.layers",
    mixer_norm="norm",
)


def rules(architecture: Architecture) -> Rules:
    """A whole `Mamba2ForCausalLM`. Raises ValueError, naming the field, for an architecture that it cannot hold."""
    require_expansion(architecture, "mamba2")
    return FAMILY.rules(architecture)


def require_expansion(architecture: Architecture, family: str) -> None:
    """Raises ValueError unless values have a whole multiple of d_model's width, which is the number in their config."""
    for where, part in architecture.parts():
        if isinstance(part, Recurrence) and part.inner_width % architecture.d_model:
            width = f"n_heads x value_dim {part.inner_width} must be a multiple of d_model {architecture.d_model}"
            raise ValueError(f"{where}: {width} for transformers' {family}")
