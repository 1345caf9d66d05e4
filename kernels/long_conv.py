"""Causal convolution with a filter as long as the sequence, for state spaces with constant coefficients and Hyena.

    y_t = sum over j <= t of f_{t-j} x_j

By FFT it takes T log T products instead of T^2 (arXiv 2111.00396, 2302.10866). Time is the last axis.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

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
    """The same by products of spectra."""
    # torch gives this method no types
    y: Tensor = _Convolution.apply(x, f)  # type: ignore[no-untyped-call]
    return y


class _Convolution(torch.autograd.Function):
    """With a backward pass of three transforms; torch's own, of transforms that it knows nothing about, takes twice as long."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, f: Tensor) -> Tensor:
        ctx.length = x.shape[-1]
        x_spectrum, f_spectrum = _spectrum(x), _spectrum(f)
        ctx.save_for_backward(x_spectrum, f_spectrum)
        return _signal(x_spectrum * f_spectrum, ctx.length)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_y: Tensor) -> tuple[Tensor, Tensor]:
        x_spectrum, f_spectrum = ctx.saved_tensors
        d_spectrum = _spectrum(d_y)
        # the conjugate of a spectrum is that of the signal backwards in time
        d_x = _signal(d_spectrum * f_spectrum.conj(), ctx.length)
        d_f = _signal((d_spectrum * x_spectrum.conj()).sum_to_size(f_spectrum.shape), ctx.length)
        return d_x, d_f


def _spectrum(x: Tensor) -> Tensor:
    """Padded to at least twice the length, so that nothing wraps around."""
    spectrum: Tensor = torch.fft.rfft(x, n=2 << (x.shape[-1] - 1).bit_length())
    return spectrum


def _signal(spectrum: Tensor, length: int) -> Tensor:
    signal: Tensor = torch.fft.irfft(spectrum)
    return signal[..., :length]
