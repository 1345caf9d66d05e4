"""Every form, in the order that people are shown them, and which of them an architecture can take."""

from collections.abc import Iterator
from dataclasses import dataclass

from nas.export.form import Form, FormName, Refusal
from nas.export.huggingface.native import NATIVE
from search_spaces.architecture import Architecture

FORMS: dict[FormName, Form] = {form.name: form for form in (NATIVE,)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    """Whether an architecture can take a form, and every reason if it cannot."""

    form: FormName
    title: str
    available: bool
    needs_weights: bool
    reasons: tuple[Refusal, ...]


def availability(architecture: Architecture) -> Iterator[Availability]:
    """Of every form."""
    for form in FORMS.values():
        reasons = form.refusals(architecture)
        yield Availability(
            form=form.name, title=form.title, available=not reasons, needs_weights=form.needs_weights, reasons=reasons
        )
