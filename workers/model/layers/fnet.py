"""Torch layer of `search_spaces.primitives.fnet`."""

import torch
from torch import Tensor

from kernels.precision import wide
from search_spaces.primitives.fnet import FNet
from workers.model.layers.encoder import EncoderPart
from workers.model.layers.layer import Initialiser, Pass


class FNetLayer(EncoderPart):
    """The real part of the Fourier transform over time and channels. It has no parameters."""

    def __init__(self, config: FNet, d_model: int) -> None:
        super().__init__()
        self.config: FNet = config

    def initialise(self, init: Initialiser) -> None:
        """Nothing to fill."""

    def forward(self, x_BTD: Tensor, shared: Pass) -> Tensor:
        """Transform; half precision is widened, since there is no such transform."""
        transformed = torch.fft.fft2(wide(x_BTD), dim=(1, 2), norm="ortho" if self.config.orthonormal else "backward")
        real_BTD: Tensor = transformed.real.to(x_BTD.dtype)
        return real_BTD
