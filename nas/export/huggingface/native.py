"""An architecture as a model that transformers has already: which family says it exactly, or why none does, and its files."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from safetensors.numpy import load_file, save_file

from nas.export.form import Form as ExportForm
from nas.export.form import Refusal, Subject, Written
from nas.export.huggingface.attention_configs import ATTENTION_FORMS
from nas.export.huggingface.checkpoints import to_checkpoint
from nas.export.huggingface.form import Config, Form
from nas.export.huggingface.hybrid_configs import HYBRID_FORMS
from nas.export.huggingface.recurrent_configs import RECURRENT_FORMS
from nas.export.huggingface.rules import Arrays, to_transformers
from search_spaces.architecture import Architecture

FORMS = (*ATTENTION_FORMS, *RECURRENT_FORMS, *HYBRID_FORMS)
"""In the order that they are asked: families of one mixer before those that mix several."""


@dataclass(frozen=True, slots=True)
class Native:
    """The family that an architecture is written as, and its `config.json`."""

    form: Form
    config: Config
    refusals: tuple[Refusal, ...] = ()
    """Of the families asked before."""


def choose(architecture: Architecture) -> Native | tuple[Refusal, ...]:
    """The first family that can say it exactly; else for each family the reason that it cannot."""
    refusals: list[Refusal] = []
    for form in FORMS:
        try:
            return Native(form, form.config(architecture), tuple(refusals))
        except ValueError as error:
            refusals.append(_refusal(form.model_type, str(error)))
    return tuple(refusals)


def export_native(architecture: Architecture, native: Native, weights: Arrays | None, folder: Path) -> None:
    """Write `config.json`, `generation_config.json` and, from our weights, `model.safetensors` into a folder.

    Raises `UnmappedWeights` when the weights are not this architecture's.
    """
    form = native.form
    if weights is not None:
        theirs = form.fitted(architecture, to_transformers(form.rules(architecture), weights))
        checkpoint = to_checkpoint(form.model_type, theirs)
        save_file(checkpoint, folder / "model.safetensors", metadata={"format": "pt"})
    _write_json(folder / "config.json", native.config)
    tokens = {name: native.config[name] for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    _write_json(folder / "generation_config.json", {**tokens, "do_sample": False, "use_cache": native.config["use_cache"]})


def _refusal(family: str, reason: str) -> Refusal:
    """Reasons begin with the field, and its value where that says more."""
    named = re.match(r"[\w\[\].]+", reason)
    return Refusal(family, named[0] if named else "", reason)


def _write_json(path: Path, data: Config) -> None:
    path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


def why_not(architecture: Architecture) -> tuple[Refusal, ...]:
    """Nothing when a class of transformers can say it; else the reason of every family."""
    found = choose(architecture)
    return () if isinstance(found, Native) else found


def write(subject: Subject, folder: Path) -> Written:
    """The files of the first family that can say the architecture, without weights when the subject has none."""
    found = choose(subject.architecture)
    assert isinstance(found, Native)
    export_native(subject.architecture, found, None if subject.weights is None else load_file(subject.weights), folder)
    why = "the first class of transformers whose config says all of it"
    return Written(loads_as=f"transformers.{found.form.class_name}", why=why, refusals=found.refusals)


NATIVE = ExportForm(
    name="native",
    title="A model that transformers' own classes load: config.json, model.safetensors, generation_config.json",
    refusals=why_not,
    write=write,
)
