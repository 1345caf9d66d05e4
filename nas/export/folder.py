"""An exported folder: what a form writes, and what every form gets beside it, so that a stranger can load it and check it.

Beside the form's own files there are `architecture.json`, `parity.safetensors` where there are weights, `README.md`, and
`export.json` over all of them.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from nas.errors import Conflict, NasError
from nas.export.bundle import Corrupt, Source
from nas.export.bundle import write_folder as write_bundle
from nas.export.form import BUNDLE_LACKS, Availability, ExportName, Form, Refusal, SingleName, Subject
from nas.export.forms import FORMS
from nas.export.instructions import collection_readme, form_readme
from nas.export.manifest import (
    COLLECTION_NAME,
    NAME,
    Absence,
    CollectionManifest,
    Drawn,
    Reason,
    Trained,
    describe,
    files_of,
)
from nas.export.packing import TIMELESS

PARITY = "parity.safetensors"
WEIGHT_SUFFIXES = (".safetensors", ".onnx")


class NotAvailable(Conflict):
    """This cannot be exported so, for these reasons; the message has the first."""

    def __init__(self, title: str, name: ExportName, reasons: tuple[Refusal, ...]) -> None:
        others = f" ({len(reasons)} reasons in all)" if len(reasons) > 1 else ""
        super().__init__(f"{title} cannot be exported as {name}: {reasons[0].reason}{others}")
        self.reasons = reasons


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """What exports are made from: the subject, where its weights come from, and all else that goes with it."""

    subject: Subject
    origin: Trained | Drawn | None = None
    missing: str | None = None
    """Why there are no weights, where some were wanted."""
    bundle: Source | None = None
    """Of a scored trial."""
    documents: Mapping[str, str] = field(default_factory=dict)
    """Texts that go into every form's folder, by name."""
    moment: datetime = TIMELESS


def available(parcel: Parcel) -> tuple[Availability, ...]:
    """Every format, and whether this can take it as it is: forms first, then the bundle."""
    forms = [Availability.of(form, _reasons(parcel, form)) for form in FORMS.values()]
    return (*forms, Availability.of_bundle(() if parcel.bundle else (BUNDLE_LACKS,)))


def require(parcel: Parcel, name: ExportName) -> None:
    """Raises `NotAvailable` for a form that the architecture cannot take, whatever weights there will be."""
    reasons = FORMS[name].refusals(parcel.subject.architecture) if name != "all" and name != "bundle" else ()
    if reasons:
        raise NotAvailable(parcel.subject.title, name, reasons)


def write(parcel: Parcel, name: ExportName, folder: Path) -> None:
    """Write one format, or all that can be had, into an empty folder. Raises `NotAvailable` with every reason."""
    if name == "all":
        _write_collection(parcel, folder)
        return
    reasons = next(one.reasons for one in available(parcel) if one.form == name)
    if reasons:
        raise NotAvailable(parcel.subject.title, name, reasons)
    _write_one(parcel, name, folder)


def _reasons(parcel: Parcel, form: Form) -> tuple[Refusal, ...]:
    """What the architecture, and the want of weights, say against a form."""
    reasons = form.refusals(parcel.subject.architecture)
    if parcel.subject.weights is None and (form.needs_weights or (parcel.missing and form.has_weights)):
        reasons += (Refusal(form.name, "weights", parcel.missing or "there is nothing in it without weights"),)
    return reasons


def _write_one(parcel: Parcel, name: SingleName, folder: Path) -> None:
    if name == "bundle":
        assert parcel.bundle is not None
        write_bundle(parcel.bundle, folder)
    else:
        _write_form(parcel, FORMS[name], folder)


def _write_form(parcel: Parcel, form: Form, folder: Path) -> None:
    subject = parcel.subject
    written = form.write(subject, folder)
    weighted = any(path.suffix in WEIGHT_SUFFIXES for path in folder.rglob("*"))
    documents = {**parcel.documents, "architecture.json": subject.architecture.to_json()}
    documents["README.md"] = form_readme(form, subject, written, parcel.documents, weighted=weighted)
    for path, text in documents.items():
        _write_text(folder / path, text)
    if weighted and subject.parity is not None:
        shutil.copyfile(subject.parity, folder / PARITY)
    manifest = describe(form.name, subject, parcel.origin if weighted else None, written, folder)
    _write_text(folder / NAME, manifest.model_dump_json(indent=2))


def _write_collection(parcel: Parcel, folder: Path) -> None:
    """A folder for each form that can be had. One after the other: no more than one form's weights are held at a time."""
    found = tuple(_tried(parcel, one, folder) for one in available(parcel))
    for path, text in {**parcel.documents, "README.md": collection_readme(parcel.subject, found)}.items():
        _write_text(folder / path, text)
    manifest = CollectionManifest(
        title=parcel.subject.title,
        architecture_digest=parcel.subject.architecture.digest,
        forms=tuple(one.form for one in found if one.available),
        absent=tuple(Absence(form=one.form, reasons=tuple(map(Reason.of, one.reasons))) for one in found if not one.available),
        files=files_of(folder),
    )
    _write_text(folder / COLLECTION_NAME, manifest.model_dump_json(indent=2))


def _tried(parcel: Parcel, one: Availability, folder: Path) -> Availability:
    """Written into a folder of its own; what fails on the way, such as for want of a library, becomes a reason."""
    if not one.available:
        return one
    try:
        (folder / one.form).mkdir()
        _write_one(parcel, one.form, folder / one.form)
    except Corrupt:
        raise
    except NasError as error:
        shutil.rmtree(folder / one.form)
        return replace(one, available=False, reasons=(Refusal(one.form, "", str(error)),))
    return one


def _write_text(path: Path, text: str) -> None:
    path.write_text(f"{text.rstrip()}\n", encoding="utf-8")
