"""Run a folder's `model.onnx` with ONNX Runtime, without torch: `onnx_graph.py FOLDER`.

Compared are the logits of all recorded tokens; of a causal model also those of a part of them, a size that the graph was not
made with.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from safetensors.numpy import load_file


def main(folder: Path, causal: str) -> None:
    """Run and compare."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])
    parity = load_file(folder / "parity.safetensors")
    ids, expected = parity["input_ids"], parity["logits"]
    (logits,) = session.run(["logits"], {"input_ids": ids})
    difference = np.abs(logits - expected).max()
    if causal == "causal":
        length = max(1, ids.shape[1] * 2 // 3)
        (part,) = session.run(["logits"], {"input_ids": ids[:1, :length]})
        difference = max(difference, np.abs(part - expected[:1, :length]).max())
    said = {
        "class": "onnxruntime.InferenceSession",
        "n_params": None,
        "dtype": str(logits.dtype),
        "shape": list(logits.shape),
        "difference": float(difference / np.abs(expected).max()),
        "unmatched": [],
        "continued": None,
    }
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
