"""Every form, in the order that people are shown them, and which of them an architecture can take."""

from collections.abc import Iterator

from nas.export.form import Availability, ExportName, Form, FormName
from nas.export.huggingface.auto import HUGGINGFACE
from nas.export.huggingface.native import NATIVE
from nas.export.onnx import ONNX
from nas.export.torch_model import TORCH
from nas.export.training.form import CONFIG
from search_spaces.architecture import Architecture

FORMS: dict[FormName, Form] = {form.name: form for form in (NATIVE, HUGGINGFACE, TORCH, CONFIG, ONNX)}


def availability(architecture: Architecture) -> Iterator[Availability]:
    """Of every form, whatever weights there are."""
    for form in FORMS.values():
        yield Availability.of(form, form.refusals(architecture))


def has_weights(name: ExportName) -> bool:
    """Whether an export in this format has weights, where there are some."""
    return name == "bundle" or name == "all" or FORMS[name].has_weights
