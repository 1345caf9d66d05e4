"""Safetensors files read and written one tensor at a time, so that a change of weights holds no more than one of them.

The format is eight bytes of length, a JSON header, and the tensors' bytes one behind the other.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

NAMES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint8": "U8",
    "bool": "BOOL",
}
"""NumPy's names of formats, and those of safetensors."""
ALIGNMENT = 8
PYTORCH = {"format": "pt"}
"""The metadata that loaders of PyTorch weights ask for."""

AnyArray = NDArray[Any]
NamedArrays = Callable[[], Iterable[tuple[str, AnyArray]]]
"""Names and tensors, the same at every call."""


class TensorFile(Mapping[str, AnyArray]):
    """The tensors of a file, each read when it is asked for and not kept."""

    def __init__(self, path: Path) -> None:
        self._file = safe_open(path, framework="numpy")
        # a dictionary keeps the file's order, and finds a name at once; the package's methods have no types
        self._names: dict[str, None] = dict.fromkeys(self._file.keys())  # type: ignore[no-untyped-call]

    def __getitem__(self, name: str) -> AnyArray:
        if name not in self._names:
            raise KeyError(name)
        found: AnyArray = self._file.get_tensor(name)  # type: ignore[no-untyped-call]
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@dataclass(frozen=True, slots=True)
class _Shape:
    """What the header says of one tensor, and how many bytes it has."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def n_bytes(self) -> int:
        return self.dtype.itemsize * int(np.prod(self.shape, dtype=np.int64))


def write_tensors(path: Path, tensors: NamedArrays, metadata: Mapping[str, str] = PYTORCH) -> None:
    """Write a file of `tensors`, which are asked for twice: for their shapes, and then one by one for what they hold.

    Raises ValueError for a name that comes twice, and for numbers in a format that safetensors does not have.
    """
    starts, header = _layout(_shapes(tensors()), metadata)
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for name, array in tensors():
            file.seek(8 + len(header) + starts[name])
            file.write(_little_endian(array).data)


def _shapes(tensors: Iterable[tuple[str, AnyArray]]) -> dict[str, _Shape]:
    found: dict[str, _Shape] = {}
    for name, array in tensors:
        if name in found:
            raise ValueError(f"{name} comes twice")
        if array.dtype.name not in NAMES:
            raise ValueError(f"{name} is of {array.dtype}; safetensors has {', '.join(NAMES)}")
        found[name] = _Shape(array.dtype, array.shape)
    return found


def _layout(shapes: Mapping[str, _Shape], metadata: Mapping[str, str]) -> tuple[dict[str, int], bytes]:
    """Where every tensor begins behind the header, and the header. Wide numbers come first, which aligns all of them."""
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    starts, end = {}, 0
    for name, entry in sorted(shapes.items(), key=lambda item: -item[1].dtype.itemsize):
        starts[name], end = end, end + entry.n_bytes
        header[name] = {"dtype": NAMES[entry.dtype.name], "shape": entry.shape, "data_offsets": (starts[name], end)}
    text = json.dumps(header, separators=(",", ":")).encode()
    return starts, text + b" " * (-len(text) % ALIGNMENT)


def _little_endian(array: AnyArray) -> AnyArray:
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
