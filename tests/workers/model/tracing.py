"""The sequence of torch operations that a function runs, with their shapes; operations that wait for data are refused."""

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

SYNCHRONISING = {
    "aten::_local_scalar_dense",
    "aten::_unique2",
    "aten::bincount",
    "aten::equal",
    "aten::is_nonzero",
    "aten::masked_select",
    "aten::nonzero",
    "aten::repeat_interleave.Tensor",
    "aten::unique_consecutive",
}

Step = tuple[str, tuple[tuple[int, ...], ...]]


class _Recorder(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Step] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.name()
        assert name not in SYNCHRONISING, f"{name} waits for data"
        masks = [x for x in tree_leaves(args[1:]) if isinstance(x, torch.Tensor) and x.dtype == torch.bool]
        assert not (name.startswith("aten::index") and masks), f"{name} with a mask has a shape that depends on data"
        result = func(*args, **(kwargs or {}))
        shapes = tuple(tuple(x.shape) for x in tree_leaves(result) if isinstance(x, torch.Tensor))
        self.steps.append((name, shapes))
        return result


def trace(function: Callable[[], object]) -> list[Step]:
    """Run `function`; return its operations in order. Fails on one whose result the host must wait for."""
    recorder = _Recorder()
    with recorder:
        function()
    return recorder.steps
