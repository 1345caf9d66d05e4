"""Safetensors written one tensor at a time are what the package's own reader reads, and never all in memory."""

import tracemalloc

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from safetensors.torch import load_file as load_torch

from nas.export.tensors import NAMES, TensorFile, write_tensors

ONE = 1 << 20


def of_all_formats():
    numbers = np.arange(21).reshape(3, 7)
    odd = {name: numbers.astype(name) for name in sorted(NAMES)}
    return {"scalar": np.full((), 2.5, np.float32), "none": np.zeros((0, 4), np.float32), **odd}


def test_their_readers_read_what_was_written(tmp_path):
    arrays, path = of_all_formats(), tmp_path / "model.safetensors"
    # views in another order, and numbers the other way round
    arrays["turned"] = np.arange(6, dtype=np.float32).reshape(2, 3).T
    arrays["swapped"] = np.arange(4, dtype=">f4")
    write_tensors(path, lambda: arrays.items())
    found, tensors = load_file(path), load_torch(path)
    assert found.keys() == tensors.keys() == arrays.keys()
    for name, array in arrays.items():
        assert np.array_equal(found[name], array)
        assert found[name].dtype == array.dtype.newbyteorder("=")
        assert torch.equal(tensors[name], torch.from_numpy(found[name]))


def test_file_is_read_by_name(tmp_path):
    arrays, path = of_all_formats(), tmp_path / "model.safetensors"
    save_file(arrays, path)
    tensors = TensorFile(path)
    assert tensors.keys() == arrays.keys()
    assert all(np.array_equal(tensors[name], array) for name, array in arrays.items())
    assert "absent" not in tensors
    with pytest.raises(KeyError, match="absent"):
        tensors["absent"]


def test_copy_never_holds_two_tensors_more_than_one_needs(tmp_path):
    path, n = tmp_path / "all.safetensors", 32
    save_file({f"part.{index}": np.full(ONE // 4, index, np.float32) for index in range(n)}, path)
    tensors = TensorFile(path)
    tracemalloc.start()
    write_tensors(tmp_path / "copy.safetensors", lambda: ((f"model.{name}", array) for name, array in tensors.items()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * ONE
    assert len(TensorFile(tmp_path / "copy.safetensors")) == n


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        ([("same", np.zeros(1)), ("same", np.zeros(1))], "same comes twice"),
        ([("wave", np.zeros(1, np.complex64))], "wave is of complex64"),
    ],
)
def test_what_no_file_can_hold_is_refused(tensors, reason, tmp_path):
    with pytest.raises(ValueError, match=reason):
        write_tensors(tmp_path / "model.safetensors", lambda: tensors)
    assert not any(tmp_path.iterdir())
