"""The README of an exported folder: what it is, how to load it, how to check it without us, how to check it with us."""

from collections.abc import Iterable

from nas.export.form import Availability, Form, FormName, Subject, Written
from search_spaces.summary import summarise

_TEXT = """\
# {title}

{summary}

{form}.

It loads as `{loads_as}`: {why}.
{weights}
{load}{check}
## What is here
* `architecture.json`: the model, complete, as the search describes it; its digest is `{digest}`.
* `export.json`: what this folder is, where the weights come from, and the SHA-256 of every file.
{files}"""

_CHECK = """
## Check it
`parity.safetensors` has `{inputs}` and the float32 `logits` that the exported model gave for them. With the model loaded as
above:

```python
{code}
```

`nas verify .` does that, and compares every file with `export.json`.
"""

_UNWEIGHTED = """
There are no weights in it.
"""

_BUILD = """
## Build it, with new weights
```python
{code}
```
"""

_NEW_NATIVE = """\
from transformers import AutoConfig, {loader}

model = {loader}(AutoConfig.from_pretrained("."))"""

_NEW_CUSTOM = """\
from transformers import AutoConfig, {loader}

config = AutoConfig.from_pretrained(".", trust_remote_code=True)
model = {loader}.from_config(config, trust_remote_code=True)"""

_NEW_TORCH = """\
import torch
from model import ARCHITECTURE, Model

model = Model(ARCHITECTURE)
model.initialise(torch.Generator().manual_seed(0))"""

_DOCUMENTS = {
    "scaling.json": "how it grew, step by step, and what stayed as it was",
    "costs.json": "parameters, FLOPs and decode state at several contexts, memory, and estimated time on accelerators",
}
"""What those documents are that only some exports have."""

_NATIVE = """\
from transformers import {loader}

model = {loader}.from_pretrained(".").eval()"""

_CUSTOM = """\
from transformers import {loader}

model = {loader}.from_pretrained(".", trust_remote_code=True).eval()"""

_TORCH = """\
from model import load

model = load("model.safetensors")"""

_ONNX = """\
import onnxruntime

session = onnxruntime.InferenceSession("model.onnx")"""

_COMPARE_TORCH = """\
import torch
from safetensors.torch import load_file

parity = load_file("parity.safetensors")
with torch.no_grad():
    logits = model(parity["{inputs}"]){of}
expected = parity["logits"]
difference = ((logits - expected).abs().max() / expected.abs().max()).item()
print(f"largest difference: {{difference:.1e}} of the largest logit")
assert difference <= 1e-5"""

_COMPARE_ONNX = """\
import numpy
from safetensors.numpy import load_file

parity = load_file("parity.safetensors")
(logits,) = session.run(["logits"], {"input_ids": parity["input_ids"]})
difference = numpy.abs(logits - parity["logits"]).max() / numpy.abs(parity["logits"]).max()
print(f"largest difference: {difference:.1e} of the largest logit")
assert difference <= 1e-5"""

_COLLECTION = """\
# {title}

{summary}

One folder for each form that this model can take; each has a README of its own.

| folder | what it is |
|---|---|
{present}

`exports.json` lists every file with its SHA-256. `nas verify .` checks all of it.
{absent}"""


def form_readme(form: Form, subject: Subject, written: Written, documents: Iterable[str] = (), *, weighted: bool) -> str:
    """The text for one form's folder, in Markdown. `weighted`: there are weights among its files, `documents`: what else."""
    load = _loading(form.name, written) if weighted else None
    build = None if weighted else _building(form.name, written)
    compare = _comparing(form.name, subject.parity_inputs)
    return _TEXT.format(
        title=subject.title,
        summary=summarise(subject.architecture),
        form=form.title,
        loads_as=written.loads_as,
        why=written.why.rstrip("."),
        weights="" if weighted else _UNWEIGHTED,
        load=f"\n## Load it\n```python\n{load}\n```\n" if load else _BUILD.format(code=build) if build else "",
        check=_CHECK.format(code=compare, inputs=subject.parity_inputs) if load and compare else "",
        digest=subject.architecture.digest,
        files="".join(
            ["* `parity.safetensors`: inputs and the logits they must give.\n" if weighted else ""]
            + [f"* `{name}`: {_DOCUMENTS[name]}.\n" for name in documents]
        ),
    )


def collection_readme(subject: Subject, found: Iterable[Availability]) -> str:
    """The text for a folder of several forms."""
    found = tuple(found)
    absent = [f"* `{one.form}`: {one.reasons[0].reason}" for one in found if not one.available]
    return _COLLECTION.format(
        title=subject.title,
        summary=summarise(subject.architecture),
        present="\n".join(f"| `{one.form}/` | {one.title} |" for one in found if one.available),
        absent="\n## What it cannot be\n" + "\n".join(absent) if absent else "",
    )


def _loading(form: FormName, written: Written) -> str | None:
    """Python that leaves the model in `model`, or for ONNX in `session`."""
    loader = written.loads_as.removeprefix("transformers.")
    match form:
        case "native":
            return _NATIVE.format(loader=loader)
        case "huggingface":
            # only what has code of its own is named by an auto class
            return (_CUSTOM if loader.startswith("Auto") else _NATIVE).format(loader=loader)
        case "torch":
            return _TORCH
        case "onnx":
            return _ONNX
        case "config":
            return None


def _building(form: FormName, written: Written) -> str | None:
    """Python that leaves a model with new weights in `model`."""
    loader = written.loads_as.removeprefix("transformers.")
    match form:
        case "native" | "huggingface":
            return (_NEW_CUSTOM if loader.startswith("Auto") else _NEW_NATIVE).format(loader=loader)
        case "torch":
            return _NEW_TORCH
        case "onnx" | "config":
            return None


def _comparing(form: FormName, inputs: str) -> str | None:
    """Python that compares it with the recorded logits."""
    match form:
        case "native" | "huggingface":
            return _COMPARE_TORCH.format(of=".logits", inputs=inputs)
        case "torch":
            return _COMPARE_TORCH.format(of=".logits_BTV", inputs=inputs)
        case "onnx":
            return _COMPARE_ONNX
        case "config":
            return None
