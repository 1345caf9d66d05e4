"""`export.json`: what an exported folder is, where its weights come from, and the SHA-256 of every other file in it.

A folder of several forms has `exports.json`, which names them and lists the files of all. Two exports of the same thing by
the same versions have the same manifest: there is no time in it.
"""

import hashlib
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, ValidationError

from nas.errors import Invalid
from nas.export.form import FormName, Refusal, SingleName, Subject, Written
from nas.export.versions import versions
from search_spaces.document import Document

NAME = "export.json"
COLLECTION_NAME = "exports.json"
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Reason(Document):
    """Why a target, such as a family of transformers, was not taken: a `nas.export.form.Refusal` on the wire."""

    target: str
    field: str
    reason: str

    @classmethod
    def of(cls, refusal: Refusal) -> Self:
        """The same, as a document."""
        return cls(target=refusal.target, field=refusal.field, reason=refusal.reason)


class Trained(Document):
    """Weights that a study trained: those of one task."""

    kind: Literal["trained"] = "trained"
    study: str
    trial: int
    rung: int
    task: str


class Drawn(Document):
    """Weights that were drawn from a seed and never trained."""

    kind: Literal["drawn"] = "drawn"
    seed: int


Origin = Annotated[Trained | Drawn, Field(discriminator="kind")]


class File(Document):
    """One file as it was written."""

    sha256: Sha256
    n_bytes: Annotated[int, Field(ge=0)]


def _inside(files: dict[str, File]) -> dict[str, File]:
    for path in files:
        if path.startswith("/") or "\\" in path or {"", ".", ".."} & set(path.split("/")):
            raise ValueError(f"{path!r} does not name a file of this folder")
    return files


Files = Annotated[dict[str, File], AfterValidator(_inside)]
"""By path, with forward slashes. None leads outside the folder."""


class ExportManifest(Document):
    """The whole of `export.json`."""

    format: Literal["nas-export/1"] = "nas-export/1"
    form: FormName
    title: str
    """What was exported: `zoo:llama`, `trial 12 of "recall"`."""
    architecture_digest: Sha256
    """The architecture's; `architecture.json` has the document."""
    loads_as: str
    """What loads the folder, such as `transformers.LlamaForCausalLM`."""
    why: str
    refusals: tuple[Reason, ...] = ()
    """Of what would have been preferred, or stands beside."""
    origin: Origin | None
    """Where the weights come from. None: there are none, and nothing to compare logits with."""
    versions: dict[str, str]
    files: Files
    """Every file of the folder but this one."""


class Absence(Document):
    """A form that a collection lacks, and why."""

    form: SingleName
    reasons: tuple[Reason, ...]


class CollectionManifest(Document):
    """The whole of `exports.json`: below it a folder for each form, named after it, with its own manifest."""

    format: Literal["nas-exports/1"] = "nas-exports/1"
    title: str
    architecture_digest: Sha256
    forms: tuple[SingleName, ...]
    absent: tuple[Absence, ...]
    files: Files
    """Every file of every form, and the manifests of the forms."""


def describe(
    form: FormName, subject: Subject, origin: Trained | Drawn | None, written: Written, folder: Path
) -> ExportManifest:
    """The manifest of a folder that is complete but for it."""
    return ExportManifest(
        form=form,
        title=subject.title,
        architecture_digest=subject.architecture.digest,
        loads_as=written.loads_as,
        why=written.why,
        refusals=tuple(map(Reason.of, written.refusals)),
        origin=origin,
        versions=versions(),
        files=files_of(folder),
    )


def read_manifest(folder: Path) -> ExportManifest:
    """What `export.json` says. Raises `Invalid` when there is none that can be read."""
    try:
        return ExportManifest.from_json((folder / NAME).read_bytes())
    except (OSError, ValidationError) as error:
        raise Invalid(f"{folder / NAME} cannot be read as an export's manifest: {error}") from error


def read_collection(folder: Path) -> CollectionManifest:
    """What `exports.json` says. Raises `Invalid` when there is none that can be read."""
    try:
        return CollectionManifest.from_json((folder / COLLECTION_NAME).read_bytes())
    except (OSError, ValidationError) as error:
        raise Invalid(f"{folder / COLLECTION_NAME} cannot be read as a list of exports: {error}") from error


def files_of(folder: Path) -> dict[str, File]:
    """Every file of a folder but its own manifest, in order of path."""
    own = {folder / NAME, folder / COLLECTION_NAME}
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path not in own)
    return {path.relative_to(folder).as_posix(): _file(path) for path in paths}


@cache
def _file(path: Path) -> File:
    with path.open("rb") as content:
        return File(sha256=hashlib.file_digest(content, "sha256").hexdigest(), n_bytes=path.stat().st_size)
