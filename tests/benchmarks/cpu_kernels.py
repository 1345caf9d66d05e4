"""Kernels against the code transformers runs without a GPU: forward and backward, one thread, medians of CPU time in turns.

Before anything is timed both sides must give the same outputs and gradients.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F
from transformers import MixtralConfig
from transformers.models.mamba.modeling_mamba import mamba_selective_scan
from transformers.models.mamba2.modeling_mamba2 import mamba2_chunk_scan
from transformers.models.mixtral.modeling_mixtral import MixtralExperts
from transformers.models.qwen3_next.modeling_qwen3_next import torch_chunk_gated_delta_rule

from kernels.attention import attention
from kernels.recurrence import recurrence
from kernels.routing import experts
from kernels.selective_scan import selective_scan
from kernels.visibility import Window
from tests.benchmarks.figure import Figure, Goal, Peer, figure

TURNS = 5
SECONDS = 4.0
"""At least so many turns of both sides, and more until so much time was taken: the short ones are noisy."""
TOLERANCE = 1e-4
"""Relative to the norm: what float32 loses in sums of a thousand terms."""


@dataclass(frozen=True, slots=True)
class Side:
    """A function and what it takes, the same numbers for both sides in the order and layout of each."""

    run: Callable[..., Tensor]
    inputs: Sequence[Tensor]

    def outputs_and_gradient(self) -> tuple[Tensor, Tensor]:
        """Forward and backward to every input; the gradient is that of the first one."""
        inputs = [x.detach().requires_grad_() for x in self.inputs]
        out = self.run(*inputs)
        return out.detach(), torch.autograd.grad(out.square().sum(), inputs)[0]

    def seconds(self) -> float:
        """CPU time of one forward and backward pass."""
        start = time.process_time()
        self.outputs_and_gradient()
        return time.process_time() - start


@dataclass(frozen=True, slots=True)
class Case:
    """Ours and transformers', and how many times as fast ours shall be."""

    name: str
    goal: float
    peer: str
    ours: Side
    theirs: Side


def figures() -> Iterator[Figure]:
    """One figure a kernel and shape."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for case in _cases():
            ours, theirs = measure(case)
            yield figure(
                f"cpu_{case.name}",
                ours,
                "CPU s",
                Goal(of="ratio", at="least", bound=case.goal),
                better="lower",
                peer=Peer(name=case.peer, value=theirs),
            )
    finally:
        torch.set_num_threads(threads)


def measure(case: Case) -> tuple[float, float]:
    """Median seconds of ours and of theirs, taken in turns after one run each. Raises ValueError if their results differ."""
    for found, expected in zip(case.ours.outputs_and_gradient(), case.theirs.outputs_and_gradient(), strict=True):
        if (found - expected).norm() > TOLERANCE * expected.norm():
            raise ValueError(f"{case.name}: ours and {case.peer} are not the same function")
    ours: list[float] = []
    theirs: list[float] = []
    while len(ours) < TURNS or sum(ours) + sum(theirs) < SECONDS:
        ours.append(case.ours.seconds())
        theirs.append(case.theirs.seconds())
    return median(ours), median(theirs)


def _cases() -> Iterator[Case]:
    """Four sequences of 256 tokens or two of 1024."""
    yield _mamba(4, 256, goal=12)
    yield _mamba(2, 1024, goal=40)
    for batch, length in ((4, 256), (2, 1024)):
        yield _mamba2(batch, length)
        yield _gated_delta(batch, length)
    yield _sliding_window()
    yield _moe()


def _mamba(batch: int, length: int, goal: float) -> Case:
    """128 channels of 16 states."""
    x, step, b, c = _normal((batch, length, 128), (batch, length, 128), (batch, length, 16), (batch, length, 16))
    step, rate, start = 0.1 * F.softplus(step), -torch.arange(1.0, 17).expand(128, -1), torch.zeros(batch, 128, 16)

    def ours(x: Tensor, step: Tensor, b: Tensor, c: Tensor, rate: Tensor) -> Tensor:
        return selective_scan(x, step, rate, b, c, start)[0]

    def theirs(x: Tensor, step: Tensor, b: Tensor, c: Tensor, rate: Tensor) -> Tensor:
        out: Tensor = mamba_selective_scan(x.mT, step.mT, rate, b.mT, c.mT).mT
        return out

    inputs = (x, step, b, c, rate)
    return Case(f"mamba_t{length}", goal, "mamba_selective_scan", Side(ours, inputs), Side(theirs, inputs))


def _mamba2(batch: int, length: int) -> Case:
    """Four heads of 32 channels, 64 states, one group; their chunk is the default of their config, 256."""
    x, step, b, c = _normal((batch, length, 4, 32), (batch, length, 4), *2 * [(batch, length, 1, 64)])
    step, rate = 0.1 * F.softplus(step), -torch.tensor([1.0, 2, 4, 8])

    def ours(x: Tensor, step: Tensor, b: Tensor, c: Tensor, rate: Tensor) -> Tensor:
        return recurrence(c, b, x * step[..., None], step * rate)[0]

    def theirs(x: Tensor, step: Tensor, b: Tensor, c: Tensor, rate: Tensor) -> Tensor:
        out: Tensor = mamba2_chunk_scan(x, step, rate, b, c, chunk_size=256)
        return out

    inputs = (x, step, b, c, rate)
    return Case(f"mamba2_t{length}", 3, "mamba2_chunk_scan", Side(ours, inputs), Side(theirs, inputs))


def _gated_delta(batch: int, length: int) -> Case:
    """Four heads of 32 x 32."""
    q, k, v, beta, decay = _normal(*3 * [(batch, length, 4, 32)], *2 * [(batch, length, 4)])
    k, beta, log_decay = F.normalize(k, dim=-1), beta.sigmoid(), F.logsigmoid(decay)

    def ours(q: Tensor, k: Tensor, v: Tensor, beta: Tensor, log_decay: Tensor) -> Tensor:
        return recurrence(q * 32**-0.5, k, v, log_decay, beta)[0]

    def theirs(q: Tensor, k: Tensor, v: Tensor, beta: Tensor, log_decay: Tensor) -> Tensor:
        out: Tensor = torch_chunk_gated_delta_rule(q, k, v, g=log_decay, beta=beta)[0]
        return out

    inputs = (q, k, v, beta, log_decay)
    return Case(f"gated_delta_t{length}", 1.1, "torch_chunk_gated_delta_rule", Side(ours, inputs), Side(theirs, inputs))


def _sliding_window() -> Case:
    """Four sequences, four heads of 32; transformers passes SDPA the whole mask."""
    length, window = 1024, 64
    inputs = _normal(*3 * [(4, length, 4, 32)])
    place = torch.arange(length)
    distance = place[:, None] - place
    mask = (distance >= 0) & (distance < window)

    def ours(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return attention(q, k, v, Window(window))

    def theirs(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = (x.transpose(1, 2) for x in (q, k, v))
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2)

    return Case("sliding_window_t1024", 3, "SDPA with a mask", Side(ours, inputs), Side(theirs, inputs))


def _moe() -> Case:
    """2048 tokens of width 128, 8 of 64 experts of width 32."""
    n_experts, top_k, d_expert, d_model = 64, 8, 32, 128
    x, w_in, w_out = _normal((2048, d_model), (n_experts, d_model, 2 * d_expert), (n_experts, d_expert, d_model))
    w_in, w_out = w_in * d_model**-0.5, w_out * d_expert**-0.5
    weights, chosen = _normal((2048, n_experts))[0].softmax(-1).topk(top_k, dim=-1)
    config = MixtralConfig(hidden_size=d_model, intermediate_size=d_expert, num_local_experts=n_experts)
    config._experts_implementation = "eager"
    module = MixtralExperts(config)

    def ours(x: Tensor, weights: Tensor, w_in: Tensor, w_out: Tensor) -> Tensor:
        return experts(x, weights, chosen, w_in, w_out)

    def theirs(x: Tensor, weights: Tensor, gate_up: Tensor, down: Tensor) -> Tensor:
        out: Tensor = functional_call(module, {"gate_up_proj": gate_up, "down_proj": down}, (x, chosen, weights))
        return out

    their_inputs = (x, weights, w_in.mT.contiguous(), w_out.mT.contiguous())
    return Case("moe_64_experts", 1.7, "a loop over experts", Side(ours, (x, weights, w_in, w_out)), Side(theirs, their_inputs))


def _normal(*shapes: tuple[int, ...]) -> list[Tensor]:
    """Tensors of fixed random numbers."""
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator) for shape in shapes]
