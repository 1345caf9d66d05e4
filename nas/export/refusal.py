"""Why something cannot be exported so: one reason, for programs too that know nothing of architectures."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a target cannot say an architecture: what it is, the first field in the way, and the whole reason."""

    target: str
    """Such as `llama`, a model type of transformers, or `onnx`."""
    field: str
    reason: str
