"""How fast a model answers: the seconds of a whole prompt, and of each token after it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

import torch

from nas.protocol import Latency
from search_spaces.inputs import ContinuousInput
from workers.model import DecodingState, Model

SEED = 0
"""Every model is timed on the same inputs: a router may be quicker on some than on others."""

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Speed:
    """Medians over the repeats. An encoder, which cannot decode, has no second one."""

    prefill_seconds: float
    decode_seconds_per_token: float | None


@torch.no_grad()
def measure(model: Model, latency: Latency, check: Callable[[], None]) -> Speed:
    """Time the model where it is, in evaluation mode: on a CPU with one thread, on a GPU up to the end of its work.

    One warm-up, then `latency.repeats` times: the whole prompt from an empty state with all its predictions (an encoder: its
    forward pass), then `decode_tokens` further inputs, one at a time, from the state after the prompt. `check` is called before
    each round and may raise. Raises ValueError for a model that cannot read so long a prompt.
    """
    model.eval()
    prompt, further = _inputs(model, latency)
    prefills, decodes = [], []
    with _one_thread():
        for repeat in range(latency.repeats + 1):
            check()
            prefill, state = _timed(prompt.device, lambda: _prefill(model, prompt))
            decode = None if state is None else _timed(prompt.device, lambda: _decode(model, further, state))[0]  # noqa: B023
            if repeat:
                prefills.append(prefill)
                decodes += [] if decode is None else [decode / latency.decode_tokens]
    return Speed(median(prefills), median(decodes) if decodes else None)


def _inputs(model: Model, latency: Latency) -> tuple[torch.Tensor, torch.Tensor]:
    """The prompt and what follows it, on the model's device: random tokens [B, T], or measurements [B, T, C]."""
    source, generator = model.architecture.input, torch.Generator().manual_seed(SEED)
    shape = (latency.batch_size, latency.prompt_length + latency.decode_tokens)
    if isinstance(source, ContinuousInput):
        inputs = torch.randn(*shape, source.n_channels, generator=generator)
    else:
        inputs = torch.randint(source.vocab_size, shape, generator=generator)
    inputs = inputs.to(next(model.parameters()).device)
    return inputs[:, : latency.prompt_length], inputs[:, latency.prompt_length :]


def _prefill(model: Model, prompt: torch.Tensor) -> DecodingState | None:
    if not model.architecture.causal:
        model(prompt)
        return None
    return model.extend(prompt, model.initial_state(len(prompt)))[1]


def _decode(model: Model, further: torch.Tensor, state: DecodingState) -> None:
    for position in range(further.shape[1]):
        _, state = model.step(further[:, position], state)


def _timed(device: torch.device, work: Callable[[], Answer]) -> tuple[float, Answer]:
    _wait(device)
    started = time.perf_counter()
    answer = work()
    _wait(device)
    return time.perf_counter() - started, answer


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
