"""Graphs of free sizes compute what the model does; what has none is known beforehand.

The whole zoo is `python -m tests.workers.test_onnx_export`: minutes, where these take seconds.
"""

import json
import sys
from itertools import zip_longest
from pathlib import Path

import onnx
import pytest
import torch
from safetensors.torch import save_file

from nas.export.onnx import refusals
from search_spaces.architecture import Architecture, Layer, TokenInput
from search_spaces.zoo import ZOO
from tests.search_spaces.examples import COMPOSITIONS, EXAMPLES, architecture_of
from workers import onnx_export
from workers.model import build


def stacked(*names: str, channels: tuple[str, ...] = ()) -> Architecture:
    """Layers of the examples with these names, one after another: what one graph can show of many primitives."""
    layers = tuple(
        Layer(mixers=(EXAMPLES[name],), channel=EXAMPLES[channel] if channel else None)
        for name, channel in zip_longest(names, channels)
    )
    return Architecture(d_model=32, input=TokenInput(vocab_size=40), core=layers)


RECURRENT = stacked("gated_deltanet", "mamba", "rwkv4", "rwkv7")
"""Loops that become operators; the zoo has the others."""

MIXED = stacked("gqa", "mlstm", "mla", channels=("swiglu", "switch"))
"""What looks back otherwise, and an operator that is translated here."""


def difference(architecture: Architecture, path: Path) -> float:
    model = build(architecture, torch.Generator().manual_seed(1))
    onnx_export.export(model, path)
    return onnx_export.largest_difference(model, path)


def test_graph_computes_what_the_model_does_at_every_size(tmp_path: Path) -> None:
    assert not refusals(MIXED)
    assert difference(MIXED, tmp_path / "model.onnx") <= onnx_export.TOLERANCE


def test_loops_over_tokens_are_operators_and_sizes_are_free(tmp_path: Path) -> None:
    assert not refusals(RECURRENT)
    path = tmp_path / "model.onnx"
    assert difference(RECURRENT, path) <= onnx_export.TOLERANCE
    graph = onnx.load(path).graph
    assert [node.op_type for node in graph.node].count("Scan") == len(RECURRENT.core)
    (ids,) = graph.input
    assert all(size.dim_param for size in ids.type.tensor_type.shape.dim)
    other = build(RECURRENT, torch.Generator().manual_seed(2))
    with pytest.raises(onnx_export.Different, match=r"at \(2, 16\) tokens"):
        onnx_export.largest_difference(other, path)


def test_what_is_refused_has_no_graph(tmp_path: Path) -> None:
    architecture = architecture_of(EXAMPLES["sparse_k"])
    (refusal,) = refusals(architecture)
    assert refusal.reason.startswith("core[0].mixers[0]: ")
    with pytest.raises((onnx_export.NoGraph, onnx_export.Different)):
        difference(architecture, tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()


@pytest.mark.parametrize(
    ("architecture", "field"),
    [
        (COMPOSITIONS["rosa"], "input.rosa"),
        (COMPOSITIONS["continuous"], "input"),
        (COMPOSITIONS["bitnet"], "numerics.activations"),
        (COMPOSITIONS["loops_expert_choice"], "loop.depth"),
        (architecture_of(EXAMPLES["fnet"]), "core[0].mixers[0]"),
        (architecture_of(EXAMPLES["gqa"].model_copy(update={"kv_bits": 8})), "core[0].mixers[0]"),
    ],
)
def test_refusal_names_the_field(architecture: Architecture, field: str) -> None:
    assert [refusal.field for refusal in refusals(architecture)] == [field]


def test_weights_of_another_model_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "architecture.json").write_text(MIXED.to_json())
    save_file({"other": torch.ones(3)}, tmp_path / "weights.safetensors")
    paths = [str(tmp_path / name) for name in ("architecture.json", "weights.safetensors", "model.onnx")]
    assert onnx_export.main(paths) == 2
    assert "other" in capsys.readouterr().err


def sweep(folder: Path) -> int:
    """Every zoo entry at a tiny size: is the static answer the real one? Prints a line for each; returns how many are not."""
    wrong = 0
    for name, entry in ZOO.items():
        architecture = entry.build(32, 64)
        try:
            found: float | str = difference(architecture, folder / f"{name}.onnx")
        except (onnx_export.NoGraph, onnx_export.Different) as error:
            found = str(error)
        agrees = isinstance(found, float) != bool(refusals(architecture))
        wrong += not agrees
        print(json.dumps({"name": name, "agrees": agrees, "found": found}), flush=True)
    return wrong


if __name__ == "__main__":
    sys.exit(sweep(Path(sys.argv[1])))
