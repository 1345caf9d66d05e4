"""The safetensors of an export, looked at before anything loads them."""

import math
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from nas.errors import Invalid
from nas.export.form import parity_inputs
from search_spaces.architecture import Architecture, ContinuousInput
from workers.verification.check import Check

WHOLE_DTYPES = ("F32", "I32", "I64", "BOOL")
"""Of weights as they were trained, and of tables of integers."""


def weights_check(path: Path) -> Check:
    """Every tensor can be read, and is float32 or whole numbers."""
    try:
        with safe_open(path, framework="pt") as tensors:
            slices = {name: tensors.get_slice(name) for name in tensors.keys()}  # noqa: SIM118 - it is no mapping
            other = sorted(name for name, found in slices.items() if found.get_dtype() not in WHOLE_DTYPES)
            n_values = sum(math.prod(found.get_shape()) for found in slices.values())
    except (OSError, SafetensorError) as error:
        return Check("weights", "failed", f"{path.name} cannot be read: {error}")
    if other:
        return Check("weights", "failed", f"{path.name} has tensors of other types than float32: {', '.join(other[:5])}")
    return Check("weights", "ok", f"{path.name} has {len(slices)} tensors, {n_values:,} values in all")


def read_parity(path: Path, architecture: Architecture) -> dict[str, torch.Tensor]:
    """`input_ids` [B, T], or `inputs` [B, T, C], and `logits` [B, T, V]. Raises `Invalid` for any that no model could give."""
    try:
        parity = load_file(path)
    except (OSError, SafetensorError) as error:
        raise Invalid(f"{path.name} cannot be read: {error}") from error
    name = parity_inputs(architecture)
    if set(parity) != {name, "logits"}:
        raise Invalid(f"{path.name} has {', '.join(sorted(parity))[:200]}; it must have {name} and logits")
    inputs, logits, n_outputs = parity[name], parity["logits"], architecture.input.n_outputs
    fits = _measurements_fit if isinstance(architecture.input, ContinuousInput) else _tokens_fit
    if not inputs.numel() or not fits(inputs, logits, n_outputs):
        raise Invalid(f"{path.name} has {name} {[*inputs.shape]} and logits {[*logits.shape]}, which do not fit")
    if name == "input_ids" and (inputs.min() < 0 or inputs.max() >= n_outputs):
        raise Invalid(f"{path.name} has input_ids outside the vocabulary of {n_outputs}")
    if logits.dtype != torch.float32 or not logits.isfinite().all() or not logits.any():
        raise Invalid(f"{path.name} has logits that are no finite float32 numbers, or all zero")
    return parity


def _tokens_fit(inputs: torch.Tensor, logits: torch.Tensor, n_tokens: int) -> bool:
    return inputs.dim() == 2 and inputs.dtype == torch.int64 and logits.shape == (*inputs.shape, n_tokens)


def _measurements_fit(inputs: torch.Tensor, logits: torch.Tensor, n_channels: int) -> bool:
    of_model = inputs.dim() == 3 and inputs.dtype == torch.float32 and inputs.shape[-1] == n_channels
    return of_model and inputs.shape == logits.shape and bool(inputs.isfinite().all())
