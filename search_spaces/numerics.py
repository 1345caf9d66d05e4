"""The number formats that a model is trained in: low-bit weights and activations by quantisation-aware training, and masks.

The products of mixers and channel parts are affected; embeddings, heads, norms, routers and gates keep full precision.
"""

from typing import Literal, Self

from pydantic import model_validator

from search_spaces.document import Document

Format = Literal["float", "int8", "int4", "fp8_e4m3", "fp8_e5m2"]


class Numerics(Document):
    """Each format is rounded to in the forward pass; gradients pass straight through (arXiv 1308.3432)."""

    weights: Literal["float", "int8", "int4", "ternary", "fp8_e4m3", "fp8_e5m2"] = "float"
    """ternary: RoundClip(w / mean|w|, -1, 1) mean|w| of each matrix (BitNet b1.58, arXiv 2402.17764); int: the largest |w| of
    each output row is the largest integer; fp8: a cast, after scaling the matrix's largest |w| to the format's largest."""
    activations: Format = "float"
    """int: the largest |x| of each token's vector is the largest integer; fp8: a cast, scaled the same way."""
    sparsity: Literal["none", "2:4", "4:8"] = "none"
    """A mask before rounding: of every 4 (8) weights in a row the 2 (4) largest count, the others are zero in the forward pass
    (arXiv 2102.04010)."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.activations != "float" and self.weights == "float":
            raise ValueError("activations: low-bit activations need low-bit weights; set weights too, or leave it out")
        return self
