"""A form that an architecture can leave in: whether it can, why not, and how its folder is written.

A form is a pure function of a `Subject`: it writes files into an empty folder and reads nothing but the subject's. None of
them imports torch; what needs torch runs as a process of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from nas.export.refusal import Refusal as Refusal
from search_spaces.architecture import Architecture, ContinuousInput

FormName = Literal["native", "huggingface", "torch", "config", "onnx"]
SingleName = Literal["native", "huggingface", "torch", "config", "onnx", "bundle"]
ExportName = Literal["native", "huggingface", "torch", "config", "onnx", "bundle", "all"]
BUNDLE_TITLE: Final = "A scored trial with its results, weights of every task and provenance: what nas verify checks"


def parity_inputs(architecture: Architecture) -> str:
    """What a file of logits to compare calls what the model has read."""
    return "inputs" if isinstance(architecture.input, ContinuousInput) else "input_ids"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What leaves: an architecture, what people call it, and its weights if it has any."""

    architecture: Architecture
    title: str
    """Such as `zoo:llama`, or `trial 12 of "recall"`."""
    weights: Path | None = None
    """A safetensors file of our tensors, under our names. None: an export without weights, and without parity."""
    parity: Path | None = None
    """A safetensors file of `input_ids` (`inputs` where they are measurements) and our float32 `logits` on them; where there
    are weights there is one."""

    @property
    def parity_inputs(self) -> str:
        """What the model's inputs are called there."""
        return parity_inputs(self.architecture)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a form wrote, in words."""

    loads_as: str
    """What a stranger loads: `transformers.LlamaForCausalLM`, `model.Model`, ..."""
    why: str
    """Why this and not another, one sentence."""
    refusals: tuple[Refusal, ...] = ()
    """Of targets that were tried before, or beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One way to leave."""

    name: FormName
    title: str
    """One line for people: what it is and what loads it."""
    refusals: Callable[[Architecture], tuple[Refusal, ...]]
    """Empty when the architecture can take this form; else every reason that it cannot. Fast: no weights, no files."""
    write: Callable[[Subject, Path], Written]
    """Write into an empty folder. Only for an architecture without refusals. Raises `Invalid` for weights that are not its
    own."""
    needs_weights: bool = False
    """Whether there is nothing to write without weights."""
    has_weights: bool = True
    """Whether weights are among its files, where there are some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    """Whether something can take a form, and every reason if it cannot."""

    form: SingleName
    title: str
    available: bool
    needs_weights: bool
    reasons: tuple[Refusal, ...]

    @classmethod
    def of(cls, form: Form, reasons: tuple[Refusal, ...]) -> "Availability":
        """A form with every reason against it."""
        return cls(form=form.name, title=form.title, available=not reasons, needs_weights=form.needs_weights, reasons=reasons)

    @classmethod
    def of_bundle(cls, reasons: tuple[Refusal, ...]) -> "Availability":
        """The same of a bundle."""
        return cls(form="bundle", title=BUNDLE_TITLE, available=not reasons, needs_weights=True, reasons=reasons)


BUNDLE_LACKS: Final = Refusal("bundle", "weights", "a bundle is of a scored trial, with the weights that it trained")
