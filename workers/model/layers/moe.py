"""Torch layer of `search_spaces.primitives.moe`."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kernels.precision import wide
from kernels.quota import admit
from kernels.routing import balance_loss, choose_by_biased_sigmoid, choose_by_softmax, expert_loads, experts
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.swiglu import SwiGLU
from workers.model.layers.layer import Initialiser, Part, Pass, State
from workers.model.layers.linear import Quantiser
from workers.model.layers.swiglu import SwiGLULayer


class MoELayer(Part):
    """Routed experts and shared ones; the shared experts are one SwiGLU of their joint width.

    With balance "bias", `routing_bias` is a buffer: training passes count the experts' loads, and `update_routing_bias`
    moves it once per training step.
    """

    routing_bias: Tensor
    loads: Tensor
    quantiser: Quantiser | None = None

    def __init__(self, config: MoE, d_model: int) -> None:
        super().__init__()
        self.config = config
        n_choices = config.n_experts + config.n_zero
        self.router = nn.Linear(d_model, n_choices, bias=False)
        self.w_in = nn.Parameter(torch.empty(config.n_experts, d_model, 2 * config.d_expert))
        self.w_out = nn.Parameter(torch.empty(config.n_experts, config.d_expert, d_model))
        width = config.n_shared * config.d_expert
        self.shared_expert = SwiGLULayer(SwiGLU(d_ff=width), d_model) if width else None
        self.shared_gate = nn.Linear(d_model, 1, bias=False) if config.shared_gate else None
        self.register_buffer("routing_bias", torch.empty(n_choices))
        self.register_buffer("loads", torch.empty(n_choices), persistent=False)

    def initialise(self, init: Initialiser) -> None:
        """Normal weights, no bias, no loads."""
        init.weight(self.router.weight)
        init.weight(self.w_in)
        init.output(self.w_out)
        self.routing_bias.zero_()
        self.loads.zero_()
        if self.shared_expert is not None:
            self.shared_expert.initialise(init)
        if self.shared_gate is not None:
            init.weight(self.shared_gate.weight)

    def initial_state(self, batch_size: int) -> State:
        """With a capacity the choices each expert has taken and the tokens seen, int32 [B, E] and [B]."""
        if self.config.capacity is None:
            return ()
        taken = self.router.weight.new_zeros(batch_size, self.config.n_experts, dtype=torch.int32)
        return taken, taken[:, 0].clone()

    def extend(self, x_BTD: Tensor, state: State, shared: Pass) -> tuple[Tensor, State]:
        """Route in float32, run the chosen experts, add the shared ones."""
        x_ND = x_BTD.flatten(0, 1)
        weights_NK, experts_NK = self._choose(wide(self.router(x_ND)), shared)
        if self.config.capacity is not None:
            weights_NK, state = self._within_capacity(weights_NK, experts_NK, state, x_BTD, shared)
        out_ND = self._routed(x_ND, self.config.scale * weights_NK.to(x_ND.dtype), experts_NK)
        out_BTD = out_ND.view_as(x_BTD)
        return out_BTD if self.shared_expert is None else out_BTD + self._shared(x_BTD, shared), state

    def _choose(self, logits_NE: Tensor, shared: Pass) -> tuple[Tensor, Tensor]:
        c = self.config
        counted_N = None if shared.valid_BT is None else shared.valid_BT.flatten()
        if c.balance == "loss":
            weights_NK, experts_NK = choose_by_softmax(logits_NE, c.top_k, c.normalised)
            shared.losses.append(c.balance_rate * balance_loss(logits_NE, experts_NK, counted_N))
            return weights_NK, experts_NK
        weights_NK, experts_NK = choose_by_biased_sigmoid(logits_NE, self.routing_bias, c.top_k, c.normalised)
        if self.training:
            self.loads += expert_loads(experts_NK, len(self.loads), counted_N)
        return weights_NK, experts_NK

    def _within_capacity(
        self, weights_NK: Tensor, experts_NK: Tensor, counts: State, x_BTD: Tensor, shared: Pass
    ) -> tuple[Tensor, State]:
        """Weights of zero for choices beyond an expert's quota of the sequence so far; the next counts."""
        c, (B, T) = self.config, x_BTD.shape[:2]
        experts_BTK = experts_NK.view(B, T, c.top_k)
        all_E = torch.arange(c.n_experts, device=experts_NK.device)
        wishes_BTE = (experts_BTK[..., None] == all_E).any(2)
        if shared.valid_BT is not None:
            wishes_BTE = wishes_BTE & shared.valid_BT[..., None]
        admitted_BTE, (admitted_BE, tokens_B) = admit(wishes_BTE, c.capacity_share, (counts[0], counts[1]))
        # zero experts stand after the others and have no limit
        kept_BTE = F.pad(admitted_BTE, (0, c.n_zero), value=True)
        return weights_NK * kept_BTE.gather(-1, experts_BTK).view_as(weights_NK), (admitted_BE, tokens_B)

    def _routed(self, x_ND: Tensor, weights_NK: Tensor, experts_NK: Tensor) -> Tensor:
        """The chosen experts' weighted sum; zero experts stand after the others and return their input."""
        if not self.config.n_zero:
            return self._experts(x_ND, weights_NK, experts_NK)
        is_zero_NK = experts_NK >= self.config.n_experts
        passed_N1 = weights_NK.where(is_zero_NK, 0).sum(-1, keepdim=True)
        real_NK = experts_NK.clamp(max=self.config.n_experts - 1)
        return passed_N1 * x_ND + self._experts(x_ND, weights_NK.masked_fill(is_zero_NK, 0), real_NK)

    def _experts(self, x_ND: Tensor, weights_NK: Tensor, experts_NK: Tensor) -> Tensor:
        if self.quantiser is None:
            return experts(x_ND, weights_NK, experts_NK, self.w_in, self.w_out)
        # a quantiser's summed axis is the last one, experts' is the one before; gate and up are matrices of their own
        gate, up, w_out = (self.quantiser.weights(weight.mT).mT for weight in (*self.w_in.chunk(2, dim=-1), self.w_out))
        w_in = torch.cat([gate, up], dim=-1)
        seen_ND = self.quantiser.activations(x_ND)
        return experts(seen_ND, weights_NK, experts_NK, w_in, w_out, self.quantiser.activations)

    def _shared(self, x_BTD: Tensor, shared: Pass) -> Tensor:
        assert self.shared_expert is not None
        out_BTD: Tensor = self.shared_expert(x_BTD, shared)
        return out_BTD if self.shared_gate is None else self.shared_gate(x_BTD).sigmoid() * out_BTD

    @torch.no_grad()
    def update_routing_bias(self) -> None:
        """After a training step: raise the bias of experts below the mean load, lower it above, and count anew."""
        if self.config.balance == "bias":
            self.routing_bias += self.config.balance_rate * (self.loads.mean() - self.loads).sign()
            self.loads.zero_()
