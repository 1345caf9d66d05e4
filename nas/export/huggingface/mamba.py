"""Weights of transformers' `mamba` (MambaMixer) and of the primitive `mamba`, which are whole layers there."""

from nas.export.huggingface.model import Family, place
from nas.export.huggingface.rules import Rules, same
from search_spaces.architecture import Architecture
from search_spaces.primitives.mamba import Mamba


def mixer_rules(config: Mamba) -> Rules:
    """`Mamba` without norms as a MambaMixer. Raises ValueError with norms, which only `jamba` has."""
    if config.bcdt_norm:
        raise ValueError("bcdt_norm: transformers' mamba has no norms inside; its jamba has")
    return scan_rules()


def scan_rules() -> Rules:
    """What every Mamba-1 mixer of transformers has."""
    # rates are learned as logarithms on both sides
    renamed = {
        "conv.weight": "conv1d.weight",
        "conv.bias": "conv1d.bias",
        "step_proj.weight": "dt_proj.weight",
        "step_proj.bias": "dt_proj.bias",
        "log_rate_DN": "A_log",
        "skip_D": "D",
    }
    kept = ("in_proj.weight", "x_proj.weight", "out_proj.weight")
    return (*(same(name, name) for name in kept), *(same(ours, theirs) for ours, theirs in renamed.items()))


FAMILY = Family(
    name="mamba",
    mixers=(place(Mamba, "mixer.", mixer_rules),),
    embedding="backbone.embeddings.weight",
    last_norm="backbone.norm_f",
    layers="backbone.layers",
    mixer_norm="norm",
)


def rules(architecture: Architecture) -> Rules:
    """A whole `MambaForCausalLM`. Raises ValueError, naming the field, for an architecture that it cannot hold."""
    return FAMILY.rules(architecture)
