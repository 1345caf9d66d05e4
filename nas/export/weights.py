"""The weights that leave with an architecture, and that they are its own."""

from pathlib import Path

from nas.errors import Invalid
from nas.export.form import Subject
from nas.export.tensors import TensorFile
from search_spaces.cost import price
from search_spaces.primitives import CostContext

BUFFERS = ("routing_bias", "rows_MK")
"""Tensors of a file that are no parameters."""


def own_tensors(subject: Subject, weights: Path) -> TensorFile:
    """The tensors of a file. Raises `Invalid` unless there are as many numbers as the subject's architecture has parameters."""
    tensors = TensorFile(weights)
    n_found = sum(array.size for name, array in tensors.items() if name.rpartition(".")[2] not in BUFFERS)
    n_params = price(subject.architecture, CostContext(context_length=1)).params
    if n_found != n_params:
        raise Invalid(f"{weights}: not weights of {subject.title}, which has {n_params:,} parameters; these are {n_found:,}")
    return tensors
