"""What a scaling is asked for, and what it gives back."""

from dataclasses import dataclass
from typing import Literal

from search_spaces.architecture import Architecture

Growth = Literal["stack", "stretch"]
Counted = Literal["total", "active"]

TOLERANCE = 0.02
"""A target is met when the parameters differ from it by at most this share."""


class ScalingError(ValueError):
    """A target that the rules cannot meet: the field of `ScaleTarget` that asks too much, and what would work."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleTarget:
    """How large the model shall be. At least one of `params`, `width` and `depth`; what is not given is solved for or kept.

    params alone: width and depth grow together, in the shape of published models. With width (or depth) too: the other one is
    solved for. With both: the hidden widths of channel parts are. Without params: what is not given is kept.
    """

    params: int | None = None
    """Parameters to reach within `TOLERANCE`: all of them, embeddings, head and multi-token heads included."""
    counted: Counted = "total"
    """Whether `params` counts all parameters or those that one token uses."""
    width: int | None = None
    """d_model."""
    depth: int | None = None
    """Layers with weights of their own: prelude, core and coda together, loops not counted."""
    growth: Growth | None = None
    """stack: the whole pattern again and again; stretch: every layer several times in its place. None: as Composer
    (arXiv 2510.00379), stack a pattern of fewer than 16 layers and stretch a longer one."""
    head_dim: int | None = None
    """Channels of a head of softmax attention; None keeps them, and the heads multiply."""
    vocab_size: int | None = None
    """Tokens of the grown model; None keeps the proxy's few."""
    tie_embeddings: bool | None = None
    """Whether the head is the embedding's table again; None as it is."""

    def __post_init__(self) -> None:
        if self.params is None and self.width is None and self.depth is None:
            raise ScalingError("params", "say how large: params, width or depth")
        for field in ("params", "width", "depth", "head_dim", "vocab_size"):
            value = getattr(self, field)
            if value is not None and value < 1:
                raise ScalingError(field, f"{value} must be at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One ratio before and after."""

    name: str
    before: float
    after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaled:
    """The grown architecture, what each rule did to it in sentences, and the ratios that were to be kept."""

    architecture: Architecture
    params: int
    active_params: int
    steps: tuple[str, ...]
    kept: tuple[Kept, ...]
