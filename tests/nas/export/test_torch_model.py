"""The form torch: a folder that runs where there is torch and none of our packages."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from nas.errors import Invalid
from nas.export.form import Subject
from nas.export.torch_model import TORCH, model_text
from search_spaces.architecture import Architecture, ContinuousInput, Layer
from search_spaces.primitives.short_conv import ShortConv
from search_spaces.zoo import ZOO
from tests.nas.export.code.stranger import __file__ as stranger
from workers import inference
from workers.model import build


def subject_of(architecture: Architecture, folder: Path) -> Subject:
    """With drawn weights and what they answer."""
    model = build(architecture, torch.Generator().manual_seed(0))
    tokens = torch.randint(architecture.input.n_outputs, (2, 9))
    save_file(model.state_dict(), folder / "weights.safetensors")
    save_file({"input_ids": tokens, "logits": inference.logits(model, tokens)}, folder / "parity.safetensors")
    weights, parity = folder / "weights.safetensors", folder / "parity.safetensors"
    return Subject(architecture=architecture, title="zoo:one", weights=weights, parity=parity)


def run_example(folder: Path) -> str:
    """What `python example.py` prints where our packages cannot be imported."""
    script = (
        "import runpy, sys; sys.path.insert(0, sys.argv[1]); from stranger import forget_our_packages;"
        "forget_our_packages(); sys.path[0] = ''; runpy.run_path('example.py')"
    )
    command = [sys.executable, "-c", script, str(Path(stranger).parent)]
    environment = {**os.environ, "PYTHONPATH": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_example_loads_the_weights_reproduces_the_logits_and_decodes(tmp_path: Path) -> None:
    """What is exported is what was drawn."""
    (tmp_path / "out").mkdir()
    subject = subject_of(ZOO["mamba2"].build(16, 64), tmp_path)
    written = TORCH.write(subject, tmp_path / "out")
    (tmp_path / "parity.safetensors").rename(tmp_path / "out" / "parity.safetensors")
    assert written.loads_as == "model.Model"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "example.py",
        "model.py",
        "model.safetensors",
        "parity.safetensors",
    ]
    printed = run_example(tmp_path / "out")
    assert "largest difference 0.0" in printed
    assert "tensor(" in printed


@pytest.mark.parametrize("name", ["measurements", "fnet"])
def test_models_without_weights_or_tokens_or_decoding_have_an_example_too(name: str, tmp_path: Path) -> None:
    """Drawn anew, and run."""
    convolution = Layer(mixers=(ShortConv(),))
    measured = Architecture(d_model=8, input=ContinuousInput(n_channels=3), core=(convolution,))
    architecture = measured if name == "measurements" else ZOO[name].build(16, 64)
    TORCH.write(Subject(architecture=architecture, title=name), tmp_path)
    assert "tensor(" in run_example(tmp_path)


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    """By the number of their parameters."""
    subject = subject_of(ZOO["mamba2"].build(16, 64), tmp_path)
    other = Subject(architecture=ZOO["gla"].build(16, 64), title="zoo:gla", weights=subject.weights)
    (tmp_path / "out").mkdir()
    with pytest.raises(Invalid, match="not weights of zoo:gla"):
        TORCH.write(other, tmp_path / "out")


def test_the_file_says_what_it_is() -> None:
    """Its title, size and digest; the same text every time."""
    architecture = ZOO["transformer"].build(16, 64)
    subject = Subject(architecture=architecture, title='trial 1 of "recall"')
    text = model_text(subject)
    assert text == model_text(subject)
    assert architecture.digest in text.split('"""')[1]
    assert "trial 1 of 'recall'" in text
