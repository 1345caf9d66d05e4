"""Every form, in the order that people are shown them, and which of them an architecture can take."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, get_args

from nas.export.form import Form, FormName, Refusal
from nas.export.huggingface.native import NATIVE
from nas.export.training.form import CONFIG
from search_spaces.architecture import Architecture

FORMS: dict[FormName, Form] = {form.name: form for form in (NATIVE, CONFIG)}

BUNDLE_TITLE: Final = "A scored trial with its results, weights of every task and provenance: what `nas verify` checks"

SingleName = Literal["native", "huggingface", "torch", "config", "onnx", "bundle"]
ExportName = Literal["native", "huggingface", "torch", "config", "onnx", "bundle", "all"]
EXPORT_NAMES: Final[tuple[ExportName, ...]] = get_args(ExportName)


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


def availability(architecture: Architecture) -> Iterator[Availability]:
    """Of every form, whatever weights there are."""
    for form in FORMS.values():
        yield Availability.of(form, form.refusals(architecture))


def has_weights(name: ExportName) -> bool:
    """Whether an export in this format has weights, where there are some."""
    return name == "bundle" or name == "all" or FORMS[name].has_weights
