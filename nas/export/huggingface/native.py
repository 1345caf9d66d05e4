"""An architecture as a model that transformers has already: which family says it exactly, or why none does, and its files."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from nas.errors import Invalid
from nas.export.form import Form, Refusal, Subject, Written
from nas.export.huggingface.attention_configs import ATTENTION_CLASSES
from nas.export.huggingface.beyond import BEYOND
from nas.export.huggingface.checkpoints import to_checkpoint
from nas.export.huggingface.exactness import differences
from nas.export.huggingface.hybrid_configs import HYBRID_CLASSES
from nas.export.huggingface.model_class import Config, ModelClass
from nas.export.huggingface.recurrent_configs import RECURRENT_CLASSES
from nas.export.huggingface.rules import Arrays, NamedArrays, converted
from nas.export.tensors import write_tensors
from nas.export.weights import own_tensors
from search_spaces.architecture import Architecture

MODEL_CLASSES = (*ATTENTION_CLASSES, *RECURRENT_CLASSES, *HYBRID_CLASSES)
"""In the order that they are asked: families of one mixer before those that mix several."""


@dataclass(frozen=True, slots=True)
class Native:
    """The class that an architecture is written as, and its `config.json`."""

    model_class: ModelClass
    config: Config
    refusals: tuple[Refusal, ...] = ()
    """Of the classes asked before, the nearest first."""


def choose(architecture: Architecture) -> Native | tuple[Refusal, ...]:
    """The first class that can say it exactly; else for each class the reason that it cannot, the nearest first."""
    refusals: list[Refusal] = []
    for model_class in MODEL_CLASSES:
        try:
            config = model_class.config(architecture)
        except ValueError as error:
            refusals.append(_refusal(model_class.model_type, str(error)))
        else:
            return Native(model_class, config, _nearest_first(architecture, refusals))
    return (*_nearest_first(architecture, refusals), *BEYOND)


def _nearest_first(architecture: Architecture, refusals: list[Refusal]) -> tuple[Refusal, ...]:
    """Those of families that could hold most of it."""
    nearness = {known.model_type: known.family.nearness(architecture) for known in MODEL_CLASSES}
    return tuple(sorted(refusals, key=lambda refusal: nearness[refusal.target], reverse=True))


def export_native(architecture: Architecture, native: Native, weights: Arrays | None, folder: Path) -> None:
    """Write `config.json`, `generation_config.json` and, from our weights, `model.safetensors` into a folder.

    The weights are read one by one, each twice. Raises `UnmappedWeights` when they are not this architecture's.
    """
    if weights is not None:
        write_tensors(folder / "model.safetensors", lambda: _checkpoint(architecture, native.model_class, weights))
    _write_json(folder / "config.json", native.config)
    tokens = {name: native.config[name] for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    _write_json(folder / "generation_config.json", {**tokens, "do_sample": False, "use_cache": native.config["use_cache"]})


def _checkpoint(architecture: Architecture, model_class: ModelClass, weights: Arrays) -> NamedArrays:
    theirs = model_class.fitted(architecture, converted(model_class.rules(architecture), weights))
    return to_checkpoint(model_class.model_type, theirs)


def _refusal(family: str, reason: str) -> Refusal:
    """Reasons begin with the field, and its value where that says more."""
    named = re.match(r"[\w\[\].]+", reason)
    return Refusal(family, named[0] if named else "", reason)


def _write_json(path: Path, data: Config) -> None:
    path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


def why_not(architecture: Architecture) -> tuple[Refusal, ...]:
    """Nothing when a class of transformers can say it; else the reason of every class."""
    found = choose(architecture)
    return () if isinstance(found, Native) else found


def why(architecture: Architecture, native: Native) -> str:
    """One sentence: why this class, and what of the architecture is not as it was."""
    family = native.model_class.family
    changed = differences(architecture, family.ties, family.adds(architecture))
    if not native.config["use_cache"]:
        changed += ("their cache cannot keep its state, so generation goes without one",)
    return "; ".join(("the first class of transformers whose config says all that inference computes", *changed))


def write(subject: Subject, folder: Path) -> Written:
    """The files of the first class that can say the architecture, without weights when the subject has none."""
    found = choose(subject.architecture)
    assert isinstance(found, Native)
    weights = None if subject.weights is None else own_tensors(subject, subject.weights)
    try:
        export_native(subject.architecture, found, weights, folder)
    except ValueError as error:
        raise Invalid(f"{subject.weights}: not weights of {subject.title}: {error}") from error
    loads_as = f"transformers.{found.model_class.class_name}"
    return Written(loads_as=loads_as, why=why(subject.architecture, found), refusals=found.refusals)


NATIVE = Form(
    name="native",
    title="A model that transformers' own classes load: config.json, model.safetensors, generation_config.json",
    refusals=why_not,
    write=write,
)
