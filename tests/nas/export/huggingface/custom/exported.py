"""Writes custom models with what our own answer, and runs programs over them that cannot import our packages."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from nas.export.form import Subject
from nas.export.huggingface.custom.folder import write_custom
from search_spaces.architecture import Architecture, ContinuousInput
from workers import strangers
from workers.model import Model, build

BATCH, LENGTH, NEW_TOKENS = 2, 13, 6
ALONE = Path(strangers.__path__[0]) / "alone.py"
SEED = 5


def write_folder(architecture: Architecture, folder: Path) -> None:
    """A custom model, and `expected.safetensors` with what it must answer."""
    folder.mkdir(parents=True)
    # from the generator of the process, as transformers draws
    torch.manual_seed(SEED)
    model = build(architecture)
    drawn = torch.stack([parameter.detach().double().abs().sum() for parameter in model.parameters()])
    weights = folder.with_name(f"{folder.name}.safetensors")
    _stir(model)
    save_file(model.state_dict(), weights)
    write_custom(Subject(architecture=architecture, title="a model", weights=weights), folder)
    save_file({"drawn": drawn, **_answers(model.eval())}, folder / "expected.safetensors")


@torch.no_grad()
def _stir(model: Model) -> None:
    """Weights that start at zero or one would hide what reads them."""
    generator = torch.Generator().manual_seed(6)
    for parameter in model.parameters():
        parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))


@torch.no_grad()
def _answers(model: Model) -> dict[str, torch.Tensor]:
    source = model.architecture.input
    assert not isinstance(source, ContinuousInput)
    tokens = torch.randint(source.vocab_size, (BATCH, LENGTH), generator=torch.Generator().manual_seed(7))
    answers = {"tokens": tokens, "logits": model(tokens).logits_BTV}
    if model.architecture.causal:
        answers["continued"] = _continued(model, tokens)
    targets = F.pad(tokens[:, 1:], (0, 1), value=-100) if model.architecture.causal else tokens
    output = model.train()(tokens, targets)
    answers["loss"] = model.loss(output, targets) + output.auxiliary_loss
    return {name: answer.clone() for name, answer in answers.items()}


def _continued(model: Model, tokens: torch.Tensor) -> torch.Tensor:
    """Greedily, token by token."""
    logits, state = model.extend(tokens, model.initial_state(len(tokens)))
    found = [*tokens.T, logits[:, -1].argmax(-1)]
    for _ in range(NEW_TOKENS - 1):
        next_logits, state = model.step(found[-1], state)
        found.append(next_logits.argmax(-1))
    return torch.stack(found, 1)


def run_stranger(program: str, *folders: Path) -> Mapping[str, Mapping[str, Any]]:
    """What a program beside this file prints of each folder, a JSON line each, by the folder's name."""
    command = [sys.executable, "-I", str(ALONE), str(Path(__file__).with_name(program)), *map(str, folders)]
    environment = {**os.environ, "HF_HOME": str(folders[0].parent / "hf")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, env=environment, cwd=folders[0].parent)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line.pop("folder"): line for line in lines}
