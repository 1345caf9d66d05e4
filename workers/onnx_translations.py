"""Operators of torch that its exporter has no translation for, in operators of ONNX."""

from collections.abc import Callable
from typing import Any

import torch
from onnxscript import opset18 as op

# values of a graph that is being built have no type that onnxscript declares
Value = Any


def stable_sort(
    x: Value,
    stable: bool = True,  # noqa: ARG001 - as the operator names it; TopK is stable anyway
    dim: int = -1,
    descending: bool = False,
) -> tuple[Value, Value]:
    """By TopK of everything, which puts the first of equals first."""
    n = op.Slice(op.Shape(x), op.Constant(value_ints=[dim]), op.Constant(value_ints=[dim + 1 or 1 << 31]))
    values, places = op.TopK(x, n, axis=dim, largest=int(descending), sorted=1)
    return values, places


def cumulative_maximum(x: Value, dim: int) -> tuple[Value, Value]:
    """By a maximum over all earlier places: T x T values, where a loop over tokens would take T steps."""
    axis = op.Constant(value_ints=[dim + 1])
    n = op.Slice(op.Shape(x), op.Constant(value_ints=[dim]), axis)
    square = op.Concat(n, n, axis=0)
    later = op.Cast(op.Trilu(op.Expand(op.Constant(value_float=1.0), square), op.Constant(value_int=1), upper=1), to=9)
    after = len(x.shape) - dim - 1
    if after:
        later = op.Unsqueeze(later, op.Constant(value_ints=list(range(2, 2 + after))))
    spread = op.Where(later, op.Constant(value_float=float("-inf")), op.Unsqueeze(x, op.Constant(value_ints=[dim])))
    maximum = op.ReduceMax(spread, axis, keepdims=0)
    # nothing of ours reads the places
    return maximum, op.Cast(maximum, to=7)


TRANSLATIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    torch.ops.aten.sort.stable: stable_sort,
    torch.ops.aten.cummax.default: cumulative_maximum,
}
"""For `torch.onnx.export`."""
