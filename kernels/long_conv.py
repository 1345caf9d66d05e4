"""Causal convolution with a filter as long as the sequence, for state spaces with constant coefficients and Hyena.

    y_t = sum over j <= t of f_{t-j} x_j

By FFT it takes T log T products instead of T^2 (arXiv 2111.00396, 2302.10866). Time is the last axis.
"""

import torch
from torch import Tensor

from kernels.dispatch import choose


def long_conv(x: Tensor, f: Tensor) -> Tensor:
    """Outputs of the shape and dtype of x [..., T]; the filter [..., T] broadcasts over the leading axes of x.

    Raises ValueError when the filter's length is not that of x.
    """
    if f.shape[-1] != x.shape[-1]:
        raise ValueError(f"a filter of {f.shape[-1]} values does not fit {x.shape[-1]} tokens")
    # every output of an FFT has rounding errors of the largest one's size: in float32 later tokens would reach earlier ones
    form = choose({"reference": long_conv_reference, "fft": long_conv_fft})
    return form(x.double(), f.double()).to(x.dtype)


def long_conv_reference(x: Tensor, f: Tensor) -> Tensor:
    """The definition, as a product with the T x T matrix of the filter."""
    token_T = torch.arange(x.shape[-1], device=x.device)
    lag_TT = token_T - token_T[:, None]
    matrix = f[..., lag_TT.clamp(min=0)] * (lag_TT >= 0)
    return (x[..., None, :] @ matrix)[..., 0, :]


def long_conv_fft(x: Tensor, f: Tensor) -> Tensor:
    """The same by products of spectra, padded so that nothing wraps around."""
    T = x.shape[-1]
    size = 2 << (T - 1).bit_length()
    spectrum = torch.fft.rfft(x, n=size) * torch.fft.rfft(f, n=size)
    y: Tensor = torch.fft.irfft(spectrum, n=size)
    return y[..., :T]
