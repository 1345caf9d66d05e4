"""An architecture: an immutable, complete description of one model as data, with one digest.

    input -> prelude layers -> core layers, `n_loops` times -> coda layers -> norm -> head

Every layer is pre-norm and residual: x += fuse(mixers(norm(x))), then x += channel(norm(x)). Equal models have equal
documents: a core that runs once is merged with prelude and coda, parallel branches are kept in one order.
"""

from itertools import islice
from typing import Self

from pydantic import model_validator

from search_spaces.composition import impossible
from search_spaces.inputs import BytePatchInput, ContinuousInput, Input, TokenInput
from search_spaces.layer import Layer
from search_spaces.loop import Loop
from search_spaces.numerics import Numerics
from search_spaces.structure import MAX_UNROLLED_LAYERS, SECTIONS, Structure

MAX_PROBLEMS = 8
"""So many are said at once."""


class Architecture(Structure):
    """One complete model. Raises `pydantic.ValidationError` for anything that could not be built."""

    @model_validator(mode="after")
    def _plain_layers(self) -> Self:
        """Sizes that the layers have anyway are left out: one form for one model."""
        # a layer that is at many positions is one value, before and after
        plain = {id(layer): layer.plain(self.d_model) for section in SECTIONS for layer in getattr(self, section)}
        for section in SECTIONS:
            object.__setattr__(self, section, tuple(plain[id(layer)] for layer in getattr(self, section)))
        return self

    @model_validator(mode="after")
    def _merge_single_loop(self) -> Self:
        """A core that runs once is just more layers: one form for one model."""
        if self.n_loops == 1 and (self.prelude or self.coda):
            object.__setattr__(self, "core", self.layers())
            object.__setattr__(self, "prelude", ())
            object.__setattr__(self, "coda", ())
        return self

    @model_validator(mode="after")
    def _plain_loop(self) -> Self:
        """Loop options that change nothing are left out: again one form for one model."""
        object.__setattr__(self, "loop", self.loop.plain(self.n_loops))
        return self

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.n_unrolled_layers > MAX_UNROLLED_LAYERS:
            raise ValueError(f"{self.n_unrolled_layers} unrolled layers; at most {MAX_UNROLLED_LAYERS}")
        found = [f"{problem.field}: {problem.reason}" for problem in islice(impossible(self), MAX_PROBLEMS)]
        if found:
            raise ValueError("; ".join(found))
        return self


__all__ = [
    "MAX_UNROLLED_LAYERS",
    "Architecture",
    "BytePatchInput",
    "ContinuousInput",
    "Input",
    "Layer",
    "Loop",
    "Numerics",
    "TokenInput",
]
