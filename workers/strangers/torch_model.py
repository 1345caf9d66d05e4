"""Load a folder's `model.py` and its weights with torch alone, and compare the logits: `torch_model.py FOLDER`."""

import importlib
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file


def main(folder: Path) -> None:
    """Load and compare."""
    torch.set_num_threads(1)
    sys.path.insert(0, str(folder))
    model = importlib.import_module("model").load(str(folder / "model.safetensors"))
    parity = load_file(folder / "parity.safetensors")
    with torch.no_grad():
        logits = model(parity["inputs" if "inputs" in parity else "input_ids"]).logits_BTV
    said = {
        "class": type(model).__name__,
        "n_params": sum(parameter.numel() for parameter in model.parameters()),
        "dtype": str(logits.dtype),
        "shape": list(logits.shape),
        "difference": ((logits - parity["logits"]).abs().max() / parity["logits"].abs().max()).item(),
        "unmatched": [],
        "continued": None,
    }
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
