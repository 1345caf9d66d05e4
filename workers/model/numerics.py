"""Low-bit training: what the architecture's number formats do to the weights and inputs of matrix products.

Weights are masked, then rounded; both anew in every pass, from the full-precision weights that the optimiser moves
(quantisation-aware training, arXiv 1712.05877).
"""

from dataclasses import dataclass

from torch import Tensor, nn

from kernels.quantisation import FP8, fake_quantise_absmax, fake_quantise_fp8, fake_quantise_ternary, keep_largest
from search_spaces.numerics import Numerics
from workers.model.layers.linear import Linear
from workers.model.layers.moe import MoELayer

INTEGER_BITS = {"int8": 8, "int4": 4}
KEPT_OF_GROUP = {"2:4": (2, 4), "4:8": (4, 8)}


@dataclass(frozen=True)
class LowPrecision:
    """A `Quantiser` for the formats of one architecture."""

    numerics: Numerics

    def weights(self, weight: Tensor) -> Tensor:
        """The weights [..., out, in] that count, rounded: integers by row, the other formats by matrix."""
        if self.numerics.sparsity in KEPT_OF_GROUP:
            weight = keep_largest(weight, *KEPT_OF_GROUP[self.numerics.sparsity])
        if self.numerics.weights == "ternary":
            return fake_quantise_ternary(weight)
        return _rounded(weight, self.numerics.weights, axes=(-2, -1))

    def activations(self, x: Tensor) -> Tensor:
        """Vectors [..., in], each rounded by itself."""
        return _rounded(x, self.numerics.activations, axes=(-1,))


def _rounded(x: Tensor, number_format: str, axes: tuple[int, ...]) -> Tensor:
    if number_format in INTEGER_BITS:
        return fake_quantise_absmax(x, INTEGER_BITS[number_format])
    return fake_quantise_fp8(x, number_format, axes) if number_format in FP8 else x


def set_numerics(model: nn.Module, numerics: Numerics) -> None:
    """Have every product of mixers, channel parts and loops computed in these formats."""
    quantiser = None if numerics == Numerics() else LowPrecision(numerics)
    for module in model.modules():
        if isinstance(module, Linear | MoELayer):
            module.quantiser = quantiser
