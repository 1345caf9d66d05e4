"""An architecture's weights, drawn from a seed and never trained, and its logits on some tokens, or measurements.

`python -m workers.draw ARCHITECTURE.json FOLDER --seed N` writes `weights.safetensors` and `parity.safetensors` into a folder,
for exports of architectures that no study has trained.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file

from nas.export.form import parity_inputs
from search_spaces.architecture import Architecture, ContinuousInput
from workers import inference, machine
from workers.model import build

PARITY_LENGTH = 32


def draw(architecture: Architecture, seed: int, folder: Path) -> None:
    """Write both files. Raises ValueError for an architecture that is too large."""
    generator = torch.Generator().manual_seed(seed)
    model = build(architecture, generator)
    n_outputs = architecture.input.n_outputs
    length = max(1, min(PARITY_LENGTH, inference.MAX_PARITY_LOGITS // (inference.PARITY_ROWS * n_outputs)))
    shape = (inference.PARITY_ROWS, length)
    if isinstance(architecture.input, ContinuousInput):
        inputs = torch.randn(*shape, n_outputs, generator=generator)
    else:
        inputs = torch.randint(n_outputs, shape, generator=generator)
    save_file(model.state_dict(), folder / "weights.safetensors")
    parity = {parity_inputs(architecture): inputs, "logits": inference.logits(model, inputs)}
    save_file(parity, folder / "parity.safetensors")


def main(arguments: Sequence[str]) -> int:
    """Draw. Returns 0, or 2 with the reason on stderr when the architecture cannot be built."""
    parser = argparse.ArgumentParser(prog="python -m workers.draw", description="Draw the weights of an architecture.")
    parser.add_argument("architecture", type=Path, help="its JSON document")
    parser.add_argument("folder", type=Path, help="where the files go")
    parser.add_argument("--seed", type=int, default=0, help="decides every weight and the tokens")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    machine.use_exact_arithmetic()
    try:
        draw(Architecture.from_json(options.architecture.read_bytes()), options.seed, options.folder)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
