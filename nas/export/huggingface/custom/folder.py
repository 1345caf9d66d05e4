"""A custom model's folder: its code, `config.json`, `generation_config.json` and `model.safetensors`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas.export.code import ModelCode, model_code
from nas.export.form import Refusal, Subject
from nas.export.huggingface.custom.code import configuration, modeling, names
from nas.export.tensors import write_tensors
from nas.export.weights import own_tensors
from search_spaces.architecture import Architecture, ContinuousInput

PREFIX = "model."
"""Before the names of our tensors: the attribute of the transformers model that is ours."""
SPECIAL_TOKENS = ("bos_token_id", "eos_token_id", "pad_token_id")


def refusals(architecture: Architecture) -> tuple[Refusal, ...]:
    """Why an architecture cannot be a model of tokens for transformers."""
    if not isinstance(architecture.input, ContinuousInput):
        return ()
    reason = "input is 'continuous': it reads and predicts measurements, and models of transformers' auto classes have tokens"
    return (Refusal("huggingface", "input", reason),)


def write_custom(subject: Subject, folder: Path) -> str:
    """Write the folder; returns what loads it. Raises `Invalid` for weights that are not the architecture's."""
    architecture = subject.architecture
    called, code = names(architecture), model_code(architecture)
    (folder / f"{called.configuration}.py").write_text(configuration(architecture, code), encoding="utf-8")
    (folder / f"{called.modeling}.py").write_text(modeling(architecture, code), encoding="utf-8")
    _write_json(folder / "config.json", config(architecture, code))
    if architecture.causal:
        _write_json(folder / "generation_config.json", {**dict.fromkeys(SPECIAL_TOKENS), "do_sample": False, "use_cache": True})
    if subject.weights is not None:
        _write_weights(subject, subject.weights, folder / "model.safetensors")
    return f"transformers.{called.auto_class}"


def config(architecture: Architecture, code: ModelCode) -> dict[str, Any]:
    """`config.json`: what tools of transformers look for, then the architecture as the code reads it."""
    called, source = names(architecture), architecture.input
    assert not isinstance(source, ContinuousInput)
    # sizes that resizing a table changes are stated even where they are the default
    tokens = {"class": type(source).__name__, **code.values.get("input", {}), "vocab_size": source.vocab_size}
    return {
        "architectures": [called.model_class],
        "auto_map": {
            "AutoConfig": f"{called.configuration}.NasConfig",
            called.auto_class: f"{called.modeling}.{called.model_class}",
        },
        "model_type": called.model_type,
        "dtype": "float32",
        "vocab_size": source.vocab_size,
        "hidden_size": architecture.d_model,
        "num_hidden_layers": len(architecture.layers()),
        "tie_word_embeddings": source.tie_embeddings,
        "is_encoder_decoder": False,
        "use_cache": architecture.causal,
        **dict.fromkeys(SPECIAL_TOKENS),
        "architecture": {**code.values, "input": tokens},
    }


def _write_weights(subject: Subject, weights: Path, path: Path) -> None:
    """The same tensors under the names that the transformers model has for them, one at a time."""
    tensors = own_tensors(subject, weights)
    write_tensors(path, lambda: ((f"{PREFIX}{name}", array) for name, array in tensors.items()))


def _write_json(path: Path, data: Mapping[str, object]) -> None:
    path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
