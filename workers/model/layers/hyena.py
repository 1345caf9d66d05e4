"""Torch layer of `search_spaces.primitives.hyena`."""

import math

import torch
from torch import Tensor, nn

from kernels.long_conv import long_conv
from kernels.precision import wide_dtype
from search_spaces.primitives.hyena import FILTER_LAYERS, Hyena
from workers.model.layers.causal_conv import CausalConv
from workers.model.layers.layer import Initialiser, Part, Pass, State
from workers.model.layers.linear import Linear

SINE_FREQUENCY = 10.0
WINDOW_ENDS = (1.5, 0.3)
"""At which share of `max_length` the windows of the slowest and of the fastest channel have fallen to `WINDOW_END`."""
WINDOW_END = 0.01


class HyenaLayer(Part):
    """State: the last inputs of the short convolution; every input of each long one, [B, D, L]; the filters [B, order D, L].

    The filters depend on the weights alone, but making all of a sequence's values again at every token would cost far more
    than the convolutions. They are kept with the largest lag first, beside the inputs that they multiply.
    """

    def __init__(self, config: Hyena, d_model: int) -> None:
        super().__init__()
        self.order, self.d_model = config.order, d_model
        self.in_proj = Linear(d_model, (config.order + 1) * d_model, bias=False)
        self.conv = CausalConv((config.order + 1) * d_model, config.conv_width, bias=True)
        self.filters = _Filters(config, d_model)
        self.out_proj = Linear(d_model, d_model, bias=False)

    def initialise(self, init: Initialiser) -> None:
        """Normal weights; convolution and filters know their start."""
        init.weight(self.in_proj.weight)
        self.conv.initialise(init)
        self.filters.initialise(init)
        init.output(self.out_proj.weight)

    def initial_state(self, batch_size: int) -> State:
        """Nothing was put in."""
        weight = self.in_proj.weight
        inputs = (weight.new_zeros(batch_size, self.d_model, 0) for _ in range(self.order))
        filters = weight.new_zeros(batch_size, self.order * self.d_model, 0)
        return self.conv.initial_state(batch_size), *inputs, filters

    def forward(self, x_BTD: Tensor, shared: Pass) -> Tensor:
        """Every long convolution at once."""
        projected, _ = self.conv(self.in_proj(x_BTD), self.conv.initial_state(x_BTD.shape[0]))
        z, *gates = projected.mT.chunk(self.order + 1, dim=1)
        for gate, filter_DT in zip(gates, self.filters(0, x_BTD.shape[1]).chunk(self.order), strict=True):
            z = gate * long_conv(z, filter_DT)
        out_BTD: Tensor = self.out_proj(z.mT)
        return out_BTD

    def extend(self, x_BTD: Tensor, state: State, shared: Pass) -> tuple[Tensor, State]:
        """The outputs of the new tokens alone: one token is one product with the whole past for each filter."""
        tail, *pasts, known = state
        projected, tail = self.conv(self.in_proj(x_BTD), tail)
        z, *gates = projected.mT.chunk(self.order + 1, dim=1)
        new = self.filters(known.shape[-1], x_BTD.shape[1]).flip(-1)
        # every sequence has the same filters
        filters = torch.cat([new, known[0]], dim=-1)
        inputs = []
        for gate, past, filter_DL in zip(gates, pasts, filters.chunk(self.order), strict=True):
            inputs.append(torch.cat([past, z], dim=-1))
            z = gate * _latest(inputs[-1], filter_DL, z.shape[-1])
        return self.out_proj(z.mT), (tail, *inputs, filters.expand(x_BTD.shape[0], -1, -1))


def _latest(inputs_BDL: Tensor, filter_DL: Tensor, count: int) -> Tensor:
    """The last `count` outputs of a convolution, [B, D, count]; the filter has its largest lag first."""
    if count == 1:
        return (inputs_BDL[:, :, None] @ filter_DL[:, :, None])[..., 0]
    return long_conv(inputs_BDL, filter_DL.flip(-1))[..., -count:]


class _Filters(nn.Module):
    """The filters as functions of the lag: a sine network times a window, plus a weight of its own for lag 0."""

    def __init__(self, config: Hyena, d_model: int) -> None:
        super().__init__()
        self.config, self.d_model = config, d_model
        width, hidden = config.filter_order, range(FILTER_LAYERS - 1)
        self.layers = nn.ModuleList([nn.Linear(config.emb_dim, width), *(nn.Linear(width, width) for _ in hidden)])
        self.frequency_F = nn.Parameter(torch.empty(width))
        self.out = nn.Linear(width, config.order * d_model, bias=False)
        self.skip_D = nn.Parameter(torch.empty(config.order * d_model))

    def initialise(self, init: Initialiser) -> None:
        """Uniform weights, so that filters start of the order of one."""
        bound = self.frequency_F.shape[0] ** -0.5
        for parameter in (*self.layers.parameters(), self.out.weight):
            init.uniform(parameter, -bound, bound)
        self.frequency_F.fill_(SINE_FREQUENCY)
        self.skip_D.normal_(generator=init.generator)

    def forward(self, first: int, count: int) -> Tensor:
        """The filters' values at the lags from `first` on, [order D, count]."""
        weight = self.out.weight
        lag_T = torch.arange(first, first + count, device=weight.device)
        # half precision cannot count to a thousand
        time_T = lag_T.to(wide_dtype(weight)) / self.config.max_length
        hidden = self._features(time_T).to(weight.dtype)
        for layer in self.layers:
            hidden = torch.sin(self.frequency_F * layer(hidden))
        values_TD: Tensor = self.out(hidden)
        return values_TD.mT * self._window(time_T).to(weight.dtype) + self.skip_D[:, None] * (lag_T == 0)

    def _features(self, time_T: Tensor) -> Tensor:
        """The lag, then cosines and sines that fit 1, 2, .. times into `max_length`: [T, emb_dim]."""
        bands = torch.arange(1, self.config.emb_dim // 2 + 1, device=time_T.device)
        angles = time_T[:, None] * bands * (2 * math.pi)
        return torch.cat([time_T[:, None], angles.cos(), angles.sin()], dim=-1)

    def _window(self, time_T: Tensor) -> Tensor:
        """Exponentials, evenly from the slowest channel to the fastest, the same in every filter: [order D, T]."""
        slow, fast = (math.log(WINDOW_END) / end for end in WINDOW_ENDS)
        exponent_D = torch.linspace(slow, fast, self.d_model, device=time_T.device, dtype=time_T.dtype)
        return (exponent_D[:, None] * time_T).exp().repeat(self.config.order, 1)
