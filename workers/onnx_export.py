"""A model's prefill as an ONNX graph: token ids [batch, sequence] to float32 logits, both sizes free.

`python -m workers.onnx_export ARCHITECTURE.json WEIGHTS.safetensors MODEL.onnx` writes the graph, runs it with ONNX Runtime at
four sizes, and prints the largest difference from our logits as JSON. Kernels run as their definitions; a loop over tokens
is one Scan operator, so the graph is as small for long sequences as for short ones.
"""

import argparse
import json
import logging
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import onnxruntime
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch._dynamo.exc import UserError

from kernels import dispatch
from kernels.scans import SCANS
from search_spaces.architecture import Architecture
from search_spaces.primitives.linformer import Linformer
from workers import inference, machine
from workers.model import Model, build
from workers.onnx_translations import TRANSLATIONS

SIZES = ((2, 16), (1, 1), (3, 37), (1, 131))
"""Batch and sequence of what is compared; the graph is made at the first."""
TOLERANCE = 1e-5
"""Of the largest logit."""
MAX_EMBEDDED_BYTES = 1 << 30
"""Larger weights lie in a file beside the graph: a protocol buffer holds less than 2 GiB."""


class NoGraph(ValueError):
    """The model cannot be written as a graph of free sizes."""


class Different(ValueError):
    """The graph does not compute what the model does."""


class Prefill(nn.Module):
    """The model as a function of tokens alone."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor) -> Tensor:
        """Logits [B, T, V] for the token after each one of [B, T]."""
        logits: Tensor = self.model(input_ids).logits_BTV
        return logits


def export(model: Model, path: Path) -> None:
    """Write the graph. Raises `NoGraph` for a model whose steps depend on the sizes, or that has no operators in ONNX."""
    prefill = Prefill(model.eval().requires_grad_(False))
    free = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    with warnings.catch_warnings(), dispatch.force("reference"), dispatch.replace(SCANS):
        # torch warns of its own deprecated calls, and of packages that are not here
        warnings.simplefilter("ignore")
        try:
            # deferred: what a layer would keep for later tokens depends on how many there are, but nothing here reads it
            traced = torch.export.export(
                prefill,
                (_tokens(model, *sizes(model.architecture)[0]),),
                dynamic_shapes={"input_ids": free},
                prefer_deferred_runtime_asserts_over_guards=True,
            )
            program = torch.onnx.export(
                traced,
                input_names=["input_ids"],
                output_names=["logits"],
                custom_translation_table=TRANSLATIONS,
                dynamo=True,
                verbose=False,
            )
        except (UserError, ValueError, torch.onnx.OnnxExporterError, RuntimeError) as error:
            raise NoGraph(_cause(error)) from error
    assert program is not None
    n_bytes = sum(weight.numel() * weight.element_size() for weight in model.parameters())
    program.save(path, external_data=n_bytes > MAX_EMBEDDED_BYTES)


def _cause(error: BaseException) -> str:
    """The first reason, in one line: what torch says around it is advice on torch."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split())[:500]


def sizes(architecture: Architecture) -> tuple[tuple[int, int], ...]:
    """Those that are compared: no longer than the model takes."""
    longest = min((part.max_length for _, part in architecture.parts() if isinstance(part, Linformer)), default=SIZES[-1][1])
    return tuple((n_rows, min(length, longest)) for n_rows, length in SIZES)


def largest_difference(model: Model, path: Path) -> float:
    """Between the graph's logits and ours, of the largest logit, over all sizes. Raises `Different` beyond the tolerance."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    differences = []
    for size in sizes(model.architecture):
        tokens_BT = _tokens(model, *size)
        ours = inference.logits(model, tokens_BT)
        theirs = torch.from_numpy(session.run(["logits"], {"input_ids": tokens_BT.numpy()})[0])
        differences.append(((theirs - ours).abs().max() / ours.abs().max()).item())
        if not differences[-1] <= TOLERANCE:
            raise Different(f"at {size} tokens the graph's logits differ by {differences[-1]:.1e} of the largest")
    return max(differences)


def _tokens(model: Model, n_rows: int, length: int) -> Tensor:
    return torch.randint(model.architecture.input.n_outputs, (n_rows, length), generator=torch.Generator().manual_seed(length))


def main(arguments: Sequence[str]) -> int:
    """Export. Returns 0, or 2 with the reason on stderr when the weights do not fit or there is no graph."""
    parser = argparse.ArgumentParser(prog="python -m workers.onnx_export", description="Write a model's prefill as ONNX.")
    parser.add_argument("architecture", type=Path, help="its JSON document")
    parser.add_argument("weights", type=Path, help="its weights, as safetensors")
    parser.add_argument("out", type=Path, help="the graph's file")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    machine.use_exact_arithmetic()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        model = build(Architecture.from_json(options.architecture.read_bytes()))
        model.load_state_dict(load_file(options.weights))
        export(model, options.out)
        difference = largest_difference(model, options.out)
    except (ValueError, RuntimeError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(json.dumps({"largest_difference": difference, "sizes": sizes(model.architecture)}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
