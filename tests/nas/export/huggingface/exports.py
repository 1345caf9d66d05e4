"""Architectures exported with random weights, and loaded by a stranger: a fresh process that cannot import our packages."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from nas.export.huggingface.native import Native, export_native
from nas.export.tensors import TensorFile
from search_spaces.architecture import Architecture, TokenInput
from workers.model import Model, build

N_TOKENS, N_NEW = 11, 5
STRANGER = Path(__file__).with_name("stranger.py")
WITHOUT_US = """
import runpy, sys
sys.modules.update(dict.fromkeys(("api", "kernels", "nas", "search_spaces", "tests", "workers")))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Runs a script with its arguments; importing any package of ours fails."""


def export(architecture: Architecture, native: Native, folder: Path) -> Model:
    """An export, and the parity that a stranger compares with. Returns our model."""
    assert isinstance(architecture.input, TokenInput)
    model = away_from_start(build(architecture, torch.Generator().manual_seed(5)))
    folder.mkdir()
    weights = folder / "ours.safetensors"
    save_file(model.state_dict(), weights)
    export_native(architecture, native, TensorFile(weights), folder)
    weights.unlink()
    input_ids = torch.arange(2 * N_TOKENS).view(2, N_TOKENS) * 7 % architecture.input.vocab_size
    with torch.no_grad():
        parity = {"input_ids": input_ids, "logits": model(input_ids).logits_BTV, "continuation": continued(model, input_ids)}
    save_file(parity, folder / "parity.safetensors")
    return model


def away_from_start(model: Model) -> Model:
    """Norms, biases and rates are not what they start as, so that none can be lost unseen."""
    generator = torch.Generator().manual_seed(6)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def continued(model: Model, input_ids: Tensor) -> Tensor:
    """Greedily, token by token."""
    state, found = model.initial_state(len(input_ids)), [*input_ids.T]
    logits, state = model.extend(input_ids, state)
    logits = logits[:, -1]
    for _ in range(N_NEW):
        found.append(logits.argmax(-1))
        logits, state = model.step(found[-1], state)
    return torch.stack(found, 1)


def loaded(folders: Mapping[str, Path]) -> dict[str, dict[str, object]]:
    """What a stranger finds in each folder."""
    command = [sys.executable, "-c", WITHOUT_US, str(STRANGER), *map(str, folders.values())]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd="/", timeout=600)
    return dict(zip(folders, map(json.loads, done.stdout.splitlines()), strict=True))
