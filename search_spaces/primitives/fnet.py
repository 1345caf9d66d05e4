"""FNet: tokens mixed by a Fourier transform over time and channels, with nothing to learn (arXiv 2105.03824)."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from search_spaces.primitives.primitive import Cost, CostContext, Family, Formulas, Primitive, Problem, Role


class FNet(Primitive):
    """The real part of the two-dimensional discrete Fourier transform."""

    role: ClassVar[Role] = "mixer"
    family: ClassVar[Family] = "encoder"
    causal: ClassVar[bool] = False
    title: ClassVar[str] = "FNet"
    source: ClassVar[str] = "arXiv 2105.03824"
    equation: ClassVar[str] = "y = Re(FFT_time(FFT_channels(x))), divided by sqrt(T d) when orthonormal"
    formulas: ClassVar[Formulas] = Formulas(
        params="0",
        flops="0",
        state="0",
        options=("It multiplies no matrices; a fast transform adds and multiplies about 5 d log2(L d) numbers for a token."),
    )
    oracle: ClassVar[str] = "transformers FNetBasicFourierTransform"

    kind: Literal["fnet"] = "fnet"
    orthonormal: bool = False
    """Whether the outputs are as large as the inputs; as published they are sqrt(T d) times larger."""

    def problems(self, d_model: int) -> Iterator[Problem]:
        """Fits any width."""
        return iter(())

    def cost(self, d_model: int, context: CostContext) -> Cost:
        """Nothing of what is counted."""
        return Cost()

    def label(self) -> str:
        """`fnet`, or `fnet·ortho`."""
        return "fnet" + ("·ortho" if self.orthonormal else "")
