"""Torch layer of `search_spaces.primitives.moe`."""

import torch
from torch import Tensor, nn

from kernels.routing import balance_loss, choose_by_biased_sigmoid, choose_by_softmax, expert_loads, experts
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.swiglu import SwiGLU
from workers.model.layers.layer import Initialiser, Part, Pass, State
from workers.model.layers.swiglu import SwiGLULayer


class MoELayer(Part):
    """Routed experts and shared ones; the shared experts are one SwiGLU of their joint width.

    With balance "bias", `routing_bias` is a buffer: training passes count the experts' loads, and `update_routing_bias`
    moves it once per training step.
    """

    routing_bias: Tensor
    loads: Tensor

    def __init__(self, config: MoE, d_model: int) -> None:
        super().__init__()
        self.config = config
        self.router = nn.Linear(d_model, config.n_experts, bias=False)
        self.w_in = nn.Parameter(torch.empty(config.n_experts, d_model, 2 * config.d_expert))
        self.w_out = nn.Parameter(torch.empty(config.n_experts, config.d_expert, d_model))
        width = config.n_shared * config.d_expert
        self.shared_expert = SwiGLULayer(SwiGLU(d_ff=width), d_model) if width else None
        self.register_buffer("routing_bias", torch.empty(config.n_experts))
        self.register_buffer("loads", torch.empty(config.n_experts), persistent=False)

    def initialise(self, init: Initialiser) -> None:
        """Normal weights, no bias, no loads."""
        init.weight(self.router.weight)
        init.weight(self.w_in)
        init.output(self.w_out)
        self.routing_bias.zero_()
        self.loads.zero_()
        if self.shared_expert is not None:
            self.shared_expert.initialise(init)

    def extend(self, x_BTD: Tensor, state: State, shared: Pass) -> tuple[Tensor, State]:
        """Route in float32, run the chosen experts, add the shared ones."""
        x_ND = x_BTD.flatten(0, 1)
        weights_NK, experts_NK = self._choose(self.router(x_ND).float(), shared)
        out_ND = experts(x_ND, weights_NK.to(x_ND.dtype), experts_NK, self.w_in, self.w_out)
        out_BTD = out_ND.view_as(x_BTD)
        if self.shared_expert is not None:
            out_BTD = out_BTD + self.shared_expert(x_BTD, shared)
        return out_BTD, state

    def _choose(self, logits_NE: Tensor, shared: Pass) -> tuple[Tensor, Tensor]:
        if self.config.balance == "loss":
            weights_NK, experts_NK = choose_by_softmax(logits_NE, self.config.top_k)
            shared.losses.append(self.config.balance_rate * balance_loss(logits_NE, experts_NK))
            return weights_NK, experts_NK
        weights_NK, experts_NK = choose_by_biased_sigmoid(logits_NE, self.routing_bias, self.config.top_k)
        if self.training:
            self.loads += expert_loads(experts_NK, self.config.n_experts)
        return weights_NK, experts_NK

    @torch.no_grad()
    def update_routing_bias(self) -> None:
        """After a training step: raise the bias of experts below the mean load, lower it above, and count anew."""
        if self.config.balance == "bias":
            self.routing_bias += self.config.balance_rate * (self.loads.mean() - self.loads).sign()
            self.loads.zero_()
