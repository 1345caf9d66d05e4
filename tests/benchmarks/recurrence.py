"""How much faster the chunked recurrence trains than the step loop that defines it: forward and backward, one thread."""

import time
from collections.abc import Iterator
from typing import Any

import torch
from torch.nn import functional as F

from kernels.dispatch import force
from kernels.recurrence import recurrence
from tests.benchmarks.figure import Figure, Goal, Peer, figure

LENGTH = 1024
GOAL = 10.0
MEMBERS = {
    "mamba2": ("head", False),
    "gla": ("key", False),
    "gated_deltanet": ("head", True),
    "kda": ("key", True),
}
"""Member of the family: whether a head or each of its keys has a decay, and whether it writes by the delta rule."""


def figures() -> Iterator[Figure]:
    """Every member of the family at least ten times its step loop."""
    for member in MEMBERS:
        reference, chunked = measure(member)
        yield figure(
            f"recurrence_{member}",
            chunked,
            "CPU s",
            Goal(of="ratio", at="least", bound=GOAL),
            better="lower",
            peer=Peer(name="the step loop", value=reference),
        )


def measure(member: str, repeats: int = 3) -> tuple[float, float]:
    """Best CPU seconds of the step loop and of the chunked form, taken in turns; 2 sequences, 4 heads of 32 x 32."""
    inputs, best = _inputs(*MEMBERS[member]), {"reference": float("inf"), "chunked": float("inf")}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for _ in range(repeats):
        for form in best:
            best[form] = min(best[form], _seconds(form, inputs))
    torch.set_num_threads(threads)
    return best["reference"], best["chunked"]


def _inputs(decay: str, delta: bool) -> list[Any]:
    generator = torch.Generator().manual_seed(0)
    q, k, v, gate = (torch.randn(2, LENGTH, 4, 32, generator=generator) for _ in range(4))
    log_decay = F.logsigmoid(gate if decay == "key" else gate[..., 0])
    beta = torch.rand(2, LENGTH, 4, generator=generator) if delta else None
    inputs = [q, F.normalize(k, dim=-1), v, log_decay, beta]
    return [None if x is None else x.requires_grad_() for x in inputs]


def _seconds(form: str, inputs: list[Any]) -> float:
    start = time.process_time()
    with force(form):
        out, state = recurrence(*inputs)
    torch.autograd.grad(out.square().sum() + state.sum(), [x for x in inputs if x is not None])
    return time.process_time() - start
