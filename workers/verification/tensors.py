"""The safetensors of an export, looked at before anything loads them."""

import math
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from nas.errors import Invalid
from search_spaces.architecture import Architecture
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
    """`input_ids` [B, T] and `logits` [B, T, V]. Raises `Invalid` for any that no model could have given."""
    try:
        parity = load_file(path)
    except (OSError, SafetensorError) as error:
        raise Invalid(f"{path.name} cannot be read: {error}") from error
    if set(parity) != {"input_ids", "logits"}:
        raise Invalid(f"{path.name} has {', '.join(sorted(parity))[:200]}; it must have input_ids and logits")
    ids, logits, n_tokens = parity["input_ids"], parity["logits"], architecture.input.n_outputs
    if ids.dim() != 2 or ids.dtype != torch.int64 or not ids.numel() or logits.shape != (*ids.shape, n_tokens):
        raise Invalid(f"{path.name} has input_ids {[*ids.shape]} and logits {[*logits.shape]}, which do not fit")
    if ids.min() < 0 or ids.max() >= n_tokens:
        raise Invalid(f"{path.name} has input_ids outside the vocabulary of {n_tokens}")
    if logits.dtype != torch.float32 or not logits.isfinite().all() or not logits.any():
        raise Invalid(f"{path.name} has logits that are no finite float32 numbers, or all zero")
    return parity
