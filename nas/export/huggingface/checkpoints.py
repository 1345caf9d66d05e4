"""Saved checkpoints, where their tensors differ from those of transformers' modules in memory, which the rules speak of.

transformers turns one into the other when it loads (it takes both) and saves; other programs read only what is published:
experts one by one, and the names of the first release.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from nas.export.huggingface.rules import Array, Arrays, NamedArrays

GATE_UP_DOWN = ("gate_proj", "up_proj", "down_proj")
W1_W3_W2 = ("w1", "w3", "w2")


@dataclass(frozen=True, slots=True)
class Layout:
    """What is different in a family's checkpoints."""

    experts: tuple[str, str, str] | None = None
    """The names of an expert's gate, up and down projection, where experts are apart."""
    stacked: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The ends of names of tensors that are equal parts in checkpoints, and those of the parts."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Pieces of names in memory, and those in checkpoints."""


LAYOUTS = {
    "mixtral": Layout(W1_W3_W2, renamed={".mlp.": ".block_sparse_moe."}),
    "deepseek_v3": Layout(GATE_UP_DOWN),
    "ernie4_5_moe": Layout(GATE_UP_DOWN, renamed={"gate.moe_statics.": "moe_statics."}),
    "qwen2_moe": Layout(GATE_UP_DOWN),
    "qwen3_moe": Layout(GATE_UP_DOWN),
    "jamba": Layout(GATE_UP_DOWN),
    "qwen3_next": Layout(GATE_UP_DOWN),
    "granitemoehybrid": Layout(
        renamed={
            "moe.experts.gate_up_proj": "moe.input_linear.weight",
            "moe.experts.down_proj": "moe.output_linear.weight",
            "moe.router.weight": "moe.router.layer.weight",
        }
    ),
    "nemotron_h": Layout(renamed={"model.": "backbone."}),
    "kimi_linear": Layout(
        W1_W3_W2,
        stacked={"self_attn.conv1d.weight": tuple(f"self_attn.{name}_conv1d.weight" for name in "qkv")},
        renamed={".mlp.": ".block_sparse_moe."}
        | {f"forget_gate.{name}": name for name in ("f_a_proj", "f_b_proj", "dt_bias", "A_log")},
    ),
}
"""By model_type; families without an entry have the same tensors in checkpoints and in memory."""


def to_checkpoint(model_type: str, weights: NamedArrays) -> NamedArrays:
    """The tensors of a checkpoint, from those in memory, one at a time."""
    layout = LAYOUTS.get(model_type, Layout())
    for name, array in weights:
        for part, piece in _apart(layout, name, array):
            yield _replaced(part, layout.renamed), piece


def from_checkpoint(model_type: str, weights: Arrays) -> dict[str, Array]:
    """The tensors in memory, from those of a checkpoint. Raises ValueError when an expert is missing."""
    layout = LAYOUTS.get(model_type, Layout())
    back = {saved: ours for ours, saved in layout.renamed.items()}
    found = {_replaced(name, back): array for name, array in weights.items()}
    for name, parts in layout.stacked.items():
        for first in [saved for saved in found if saved.endswith(parts[0])]:
            prefix = first.removesuffix(parts[0])
            found[prefix + name] = np.concatenate([found.pop(prefix + part) for part in parts])
    return found if layout.experts is None else _experts_together(found, layout.experts)


def _apart(layout: Layout, name: str, array: Array) -> NamedArrays:
    """One tensor in memory as those of the checkpoint, not yet renamed."""
    gate, up, down = layout.experts or ("", "", "")
    for ours, parts in layout.stacked.items():
        if name.endswith(ours):
            yield from zip((name.removesuffix(ours) + part for part in parts), np.split(array, len(parts)), strict=True)
            return
    for ours, projections in (("experts.gate_up_proj", (gate, up)), ("experts.down_proj", (down,))):
        if gate and name.endswith(ours):
            for index, expert in enumerate(array):
                names = (f"{name.removesuffix(ours)}experts.{index}.{projection}.weight" for projection in projections)
                yield from zip(names, np.split(expert, len(projections)), strict=True)
            return
    yield name, array


def _experts_together(weights: Arrays, names: tuple[str, str, str]) -> dict[str, Array]:
    """Experts that are apart, as one tensor for the gates and ups and one for the downs of each layer."""
    pattern = re.compile(rf"(.*experts\.)(\d+)\.({'|'.join(names)})\.weight")
    found: dict[str, Array] = {}
    layers: dict[str, dict[tuple[int, str], Array]] = defaultdict(dict)
    for name, array in weights.items():
        match = pattern.fullmatch(name)
        if match is None:
            found[name] = array
        else:
            layers[match[1]][int(match[2]), match[3]] = array
    for prefix, parts in layers.items():
        experts = range(1 + max(index for index, _ in parts))
        missing = [f"{prefix}{index}.{name}.weight" for index in experts for name in names if (index, name) not in parts]
        if missing:
            raise ValueError(f"experts are missing: {missing[:5]}")
        gate, up, down = ([parts[index, name] for index in experts] for name in names)
        found[f"{prefix}gate_up_proj"] = np.stack([np.concatenate(pair) for pair in zip(gate, up, strict=True)])
        found[f"{prefix}down_proj"] = np.stack(down)
    return found


def _replaced(name: str, pieces: Mapping[str, str]) -> str:
    """The name with the first of the pieces that it has replaced."""
    piece = next((piece for piece in pieces if piece in name), None)
    return name if piece is None else name.replace(piece, pieces[piece], 1)
