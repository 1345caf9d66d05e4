"""Writes folders that a stranger can run, and runs strangers over them."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from nas.export.code import model_code
from search_spaces.architecture import Architecture, ContinuousInput
from workers.model import Model, build

LENGTH = 13
BATCH = 2
STRANGER = Path(__file__).with_name("stranger.py")


def write_folder(architecture: Architecture, folder: Path, seed: int = 0) -> None:
    """Code and weights of a freshly drawn model, and what it answers."""
    folder.mkdir(parents=True)
    code = model_code(architecture)
    text = "\n\n".join((code.imports, code.configs, code.modules, f"ARCHITECTURE = {code.literal}\n"))
    (folder / "model.py").write_text(text)
    model = build(architecture, torch.Generator().manual_seed(1))
    drawn = torch.stack([parameter.detach().double().abs().sum() for parameter in model.parameters()]).sum()
    generator = torch.Generator().manual_seed(seed)
    tokens, targets = _sequences(architecture, generator), _sequences(architecture, generator)
    expected = {"tokens": tokens, "targets": targets, "drawn": drawn}
    expected["n_params"] = torch.tensor(sum(parameter.numel() for parameter in model.parameters()))
    _stir(model, generator)
    save_file(model.state_dict(), folder / "model.safetensors")
    save_file({**expected, **_answers(model, tokens, targets)}, folder / "expected.safetensors")


def _sequences(architecture: Architecture, generator: torch.Generator) -> torch.Tensor:
    if isinstance(architecture.input, ContinuousInput):
        return torch.randn(BATCH, LENGTH, architecture.input.n_channels, generator=generator)
    return torch.randint(architecture.input.vocab_size, (BATCH, LENGTH), generator=generator)


@torch.no_grad()
def _stir(model: Model, generator: torch.Generator) -> None:
    """Weights that start at zero or one would hide what reads them."""
    for parameter in model.parameters():
        parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))


@torch.no_grad()
def _answers(model: Model, tokens: torch.Tensor, targets: torch.Tensor) -> dict[str, torch.Tensor]:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.train()
    output = model(tokens, targets)
    answers = {"train": output.logits_BTV, "auxiliary_loss": output.auxiliary_loss}
    model.load_state_dict(before)
    model.eval()
    answers["logits"] = model(tokens).logits_BTV
    if model.architecture.causal:
        state, parts = model.initial_state(len(tokens)), []
        for part in (tokens[:, :3], tokens[:, 3:4], tokens[:, 4:9]):
            logits, state = model.extend(part, state)
            parts.append(logits)
        for time in range(9, tokens.shape[1]):
            logits, state = model.step(tokens[:, time], state)
            parts.append(logits[:, None])
        answers["extended"] = torch.cat(parts, dim=1)
    return {name: answer.contiguous().clone() for name, answer in answers.items()}


def run_strangers(folders: list[Path]) -> Mapping[str, Mapping[str, Any]]:
    """What a fresh process that cannot import our packages finds in each folder, by the folder's name."""
    command = [sys.executable, "-I", str(STRANGER), *map(str, folders)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=folders[0])
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line.pop("folder"): line for line in lines}
