"""An architecture as plain PyTorch: one readable `model.py`, its weights, and ten lines that use them.

What loads it needs torch and safetensors alone.
"""

import shutil
from pathlib import Path

from nas.export.code import NOTE, ModelCode, model_code
from nas.export.form import Form, Refusal, Subject, Written, parity_inputs
from nas.export.weights import own_tensors
from search_spaces.architecture import Architecture, ContinuousInput
from search_spaces.cost import price
from search_spaces.primitives import CostContext
from search_spaces.summary import summarise

CONTEXT = 4096
"""Tokens before the one whose cost is told."""

_HEAD = '''"""{title}: {summary}

{n_params:,} parameters, {active:,} of them active; {flops:,} FLOPs for a token after {context:,}, and {state:,} bytes that
decoding then keeps of a sequence. Architecture {digest}.
`model = load("model.safetensors")` has weights; `Model(ARCHITECTURE)` has none before `initialise`.

{note}
"""
'''

_LOAD = '''def load(path: str) -> Model:
    """The model with the weights of a safetensors file, in evaluation mode."""
    model = Model(ARCHITECTURE)
    # buffers that no file has are computed here
    model.initialise(None)
    model.load_state_dict(load_file(path))
    return model.eval()
'''

_EXAMPLE = '''"""Loads the model{drawn}, compares it with the recorded logits, and {uses}."""

from pathlib import Path

import torch
from model import {names}
from safetensors.torch import load_file

{made}
with torch.no_grad():
    if Path("parity.safetensors").exists():
        parity = load_file("parity.safetensors")
        print("largest difference", (model(parity["{inputs}"]).logits_BTV - parity["logits"]).abs().max().item())
{use}
'''

_LOADED = 'model = load("model.safetensors")'
_DRAWN = "model = Model(ARCHITECTURE)\nmodel.initialise(torch.Generator().manual_seed(0))\nmodel.eval()"

_DECODE = """\
    logits, state = model.extend(torch.tensor([[1, 0, 1]]), model.initial_state(1))
    logits, tokens = logits[:, -1], []
    for _ in range(8):
        tokens.append(logits.argmax(-1))
        logits, state = model.step(tokens[-1], state)
    print(torch.stack(tokens, dim=1))"""

_MEASUREMENTS = """\
    predicted, state = model.extend(torch.randn(1, 3, {n_channels}), model.initial_state(1))
    for _ in range(8):
        predicted, state = model.extend(predicted[:, -1:], state)
        print(predicted[0, -1])"""

_WHOLE = """\
    print(model({inputs}).logits_BTV)"""


def no_refusals(_architecture: Architecture) -> tuple[Refusal, ...]:
    """Every architecture can be written so."""
    return ()


def write(subject: Subject, folder: Path) -> Written:
    """`model.py`, `example.py`, and the file of weights as it is."""
    architecture = subject.architecture
    (folder / "model.py").write_text(model_text(subject), encoding="utf-8")
    (folder / "example.py").write_text(example_text(architecture, subject.weights is not None), encoding="utf-8")
    if subject.weights is not None:
        own_tensors(subject, subject.weights)
        shutil.copyfile(subject.weights, folder / "model.safetensors")
    return Written(loads_as="model.Model", why="code of this architecture alone, which needs torch and nothing else")


def model_text(subject: Subject) -> str:
    """`model.py`."""
    architecture, code = subject.architecture, model_code(subject.architecture)
    cost = price(architecture, CostContext(context_length=CONTEXT))
    head = _HEAD.format(
        title=subject.title.replace('"', "'").replace("\\", "/"),
        summary=summarise(architecture),
        n_params=cost.params,
        active=cost.active_params,
        flops=cost.flops_per_token,
        context=CONTEXT,
        state=cost.state_bytes,
        digest=architecture.digest,
        note=NOTE,
    )
    imports = f"{head}\n{_with_loader(code)}"
    parts = (imports, code.configs, code.modules, f"ARCHITECTURE = {code.literal}\n", _LOAD)
    return "\n\n".join(part.rstrip("\n") + "\n" for part in parts)


def _with_loader(code: ModelCode) -> str:
    """The imports and that of the loader, which sorts before torch."""
    standard, _, others = code.imports.rpartition("\n\n")
    lines = sorted([*others.strip().splitlines(), "from safetensors.torch import load_file"], key=_import_order)
    return "\n\n".join(part for part in (standard, "\n".join(lines) + "\n") if part)


def _import_order(line: str) -> tuple[bool, str]:
    return line.startswith("from"), line


def example_text(architecture: Architecture, has_weights: bool) -> str:
    """`example.py`: decodes where the model can, else runs once."""
    continuous = isinstance(architecture.input, ContinuousInput)
    if not architecture.causal:
        inputs = f"torch.randn(1, 8, {architecture.input.n_outputs})" if continuous else "torch.tensor([[1, 0, 1, 1]])"
        use, uses = _WHOLE.format(inputs=inputs), "runs it once"
    elif continuous:
        use, uses = _MEASUREMENTS.format(n_channels=architecture.input.n_outputs), "goes on from some measurements"
    else:
        use, uses = _DECODE, "decodes eight tokens"
    return _EXAMPLE.format(
        drawn="" if has_weights else " with weights drawn anew",
        uses=uses,
        names="load" if has_weights else "ARCHITECTURE, Model",
        made=_LOADED if has_weights else _DRAWN,
        use=use,
        inputs=parity_inputs(architecture),
    )


TORCH = Form(
    name="torch",
    title="Plain PyTorch: one readable model.py, model.safetensors and an example.py; loads with torch and safetensors alone",
    refusals=no_refusals,
    write=write,
)
