"""What an architecture costs at any size: exact counts, and what a roofline allows on named accelerators.

Counts are exact. Memory and rates are estimates: bounds of a roofline (Williams et al. 2009, doi 10.1145/1498765.1498785)
on public specifications. Nothing is measured; software reaches less. What is assumed stands in the report itself.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from nas.costs.accelerators import ACCELERATORS, Accelerator
from nas.costs.demand import ASSUMPTIONS, TRAINING_BYTES, WEIGHT_BYTES, Demand, demand_of
from nas.errors import Invalid
from search_spaces.architecture import Architecture
from search_spaces.cost import price
from search_spaces.primitives import CostContext
from search_spaces.summary import summarise

CONTEXTS: Final = (4096, 32_768, 131_072, 1_048_576)
MAX_CONTEXT: Final = 10_000_000
MAX_CONTEXTS: Final = 16
SECONDS_PER_DAY: Final = 86_400
TOKENS_PER_PARAMETER: Final = 20
"""About what a fixed budget is best spent on (arXiv 2203.15556)."""
UTILISATION: Final = 0.4
"""Llama 3 405B was trained at 0.38 to 0.43 (arXiv 2407.21783, table 4)."""
NOTICE: Final = "Estimates are roofline upper bounds on public specifications; nothing is measured."

WeightFormat = Literal["float32", "bfloat16", "fp8", "int8", "int4", "ternary"]

BITS: Final[dict[WeightFormat, int]] = {"float32": 32, "bfloat16": 16, "fp8": 8, "int8": 8, "int4": 4, "ternary": 2}
"""Of a stored weight; the scales that go with low-bit weights are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AtContext:
    """What depends on the length of the context; exact."""

    context_length: int
    flops_per_token: int
    """Forward, the mean over the context's tokens."""
    state_bytes: int
    """What decoding keeps of one sequence: keys and values, recurrent states."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingMemory:
    """Bytes to decode `batch` sequences; estimate."""

    weights: int
    state: int

    @property
    def total(self) -> int:
        """Of all devices together."""
        return self.weights + self.state


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingMemory:
    """Bytes to train on `batch` sequences at once; estimate."""

    weights: int
    gradients: int
    optimiser: int
    activations: int

    @property
    def total(self) -> int:
        """Of all devices together."""
        return self.weights + self.gradients + self.optimiser + self.activations


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a roofline allows on as few devices of one kind as hold the memory; nobody has measured it."""

    accelerator: str
    serving_devices: int
    prefill_tokens_per_second: float
    decode_tokens_per_second: float | None
    """Of all sequences together; None for an encoder, which cannot decode."""
    decode_bound: Literal["memory", "compute"] | None
    """What a decoding step waits for."""
    training_devices: int
    training_device_days: float
    """Days of one device at the stated utilisation; n devices take an n-th of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostReport:
    """Counts are exact; serving, training and accelerators are estimates, see `notice` and `assumptions`."""

    digest: str
    summary: str
    params: int
    active_params: int
    weight_bytes: dict[WeightFormat, int]
    contexts: tuple[AtContext, ...]
    context_length: int
    """Of the estimates."""
    batch: int
    serving: ServingMemory
    training: TrainingMemory
    training_tokens: int
    training_flops: float
    utilisation: float
    accelerators: tuple[Estimate, ...]
    notice: str = NOTICE
    assumptions: tuple[str, ...] = ASSUMPTIONS


def cost_report(
    architecture: Architecture,
    *,
    contexts: Sequence[int] = CONTEXTS,
    context_length: int = CONTEXTS[0],
    batch: int = 1,
    training_tokens: int | None = None,
    utilisation: float = UTILISATION,
    accelerators: Sequence[str] = tuple(ACCELERATORS),
) -> CostReport:
    """Price an architecture and estimate its memory and rates.

    `contexts` are priced; memory and rates are those of `batch` sequences of `context_length` tokens. Training takes
    `training_tokens`, 20 for each parameter unless said, at the share `utilisation` of the peak.
    Raises `Invalid` for lengths, counts, shares and accelerators that there are not.
    """
    devices = tuple(map(_accelerator, accelerators))
    _check(contexts, context_length, batch, training_tokens, utilisation)
    demand = demand_of(architecture, context_length)
    tokens = training_tokens if training_tokens is not None else TOKENS_PER_PARAMETER * demand.params
    flops = float(tokens * demand.training_flops_per_token)
    serving, training = _serving(demand, batch), _training(demand, batch)
    return CostReport(
        digest=architecture.digest,
        summary=summarise(architecture),
        params=demand.params,
        active_params=price(architecture, CostContext(context_length=context_length)).active_params,
        weight_bytes=weight_bytes(demand.params),
        contexts=tuple(at_context(architecture, length) for length in contexts),
        context_length=context_length,
        batch=batch,
        serving=serving,
        training=training,
        training_tokens=tokens,
        training_flops=flops,
        utilisation=utilisation,
        accelerators=tuple(
            _estimate(device, demand, batch, serving, training, flops / utilisation, decodes=architecture.causal)
            for device in devices
        ),
    )


def at_context(architecture: Architecture, context_length: int) -> AtContext:
    """The exact costs that depend on the context."""
    cost = price(architecture, CostContext(context_length=context_length))
    return AtContext(context_length=context_length, flops_per_token=cost.flops_per_token, state_bytes=cost.state_bytes)


def weight_bytes(params: int) -> dict[WeightFormat, int]:
    """Bytes of all weights in each format."""
    return {name: -(-params * bits // 8) for name, bits in BITS.items()}


def check_contexts(contexts: Sequence[int]) -> None:
    """Raises `Invalid` for none or too many of them, for one that is named twice, and for impossible lengths."""
    if not 1 <= len(contexts) <= MAX_CONTEXTS or len(set(contexts)) < len(contexts):
        raise Invalid(f"give 1 to {MAX_CONTEXTS} different context lengths")
    for length in contexts:
        if not 1 <= length <= MAX_CONTEXT:
            raise Invalid(f"a context of {length} tokens; give 1 to {MAX_CONTEXT:,}")


def _check(contexts: Sequence[int], context_length: int, batch: int, training_tokens: int | None, utilisation: float) -> None:
    check_contexts(contexts)
    check_contexts((context_length,))
    if not 1 <= batch <= 10**6:
        raise Invalid(f"a batch of {batch} sequences; give 1 to 1,000,000")
    if training_tokens is not None and not 1 <= training_tokens <= 10**18:
        raise Invalid(f"{training_tokens} training tokens; give 1 to 10^18")
    if not 0 < utilisation <= 1:
        raise Invalid(f"a utilisation of {utilisation:g}; give a share of the peak above 0, at most 1")


def _accelerator(name: str) -> Accelerator:
    if name not in ACCELERATORS:
        raise Invalid(f"no accelerator {name!r}; there are {', '.join(ACCELERATORS)}")
    return ACCELERATORS[name]


def _serving(demand: Demand, batch: int) -> ServingMemory:
    return ServingMemory(weights=WEIGHT_BYTES * demand.params, state=batch * demand.state_bytes)


def _training(demand: Demand, batch: int) -> TrainingMemory:
    per_parameter = {name: size * demand.params for name, size in TRAINING_BYTES.items()}
    return TrainingMemory(
        weights=per_parameter["weights"],
        gradients=per_parameter["gradients"],
        optimiser=per_parameter["optimiser"],
        activations=batch * demand.activation_bytes,
    )


def _estimate(
    device: Accelerator,
    demand: Demand,
    batch: int,
    serving: ServingMemory,
    training: TrainingMemory,
    paid_flops: float,
    *,
    decodes: bool,
) -> Estimate:
    n_devices = math.ceil(serving.total / device.memory_bytes)
    flops, read = n_devices * device.flops_per_second, n_devices * device.bytes_per_second
    weights = WEIGHT_BYTES * demand.read_params
    computing = batch * demand.flops_per_token / flops
    reading = (weights + batch * demand.state_bytes) / read
    n_tokens = batch * demand.context_length
    return Estimate(
        accelerator=device.name,
        serving_devices=n_devices,
        prefill_tokens_per_second=1 / max(demand.flops_per_token / flops, weights / read / n_tokens),
        decode_tokens_per_second=batch / max(computing, reading) if decodes else None,
        decode_bound=("memory" if reading >= computing else "compute") if decodes else None,
        training_devices=math.ceil(training.total / device.memory_bytes),
        training_device_days=paid_flops / device.flops_per_second / SECONDS_PER_DAY,
    )
