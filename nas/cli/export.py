"""`nas export`: a trial, a zoo entry, or any architecture, as a folder that other programs load.

Trials come from the service with the weights they trained. Everything else needs no service beyond the document of an
architecture known by its digest; weights are drawn here, by a process that needs torch.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from pydantic import ValidationError

from nas.candidates import ZOO_VOCABULARY, ZOO_WIDTH
from nas.cli.exported import report
from nas.cli.options import AsJson, DataDir, Url
from nas.cli.output import print_json
from nas.cli.typed import typed
from nas.client import Client
from nas.errors import Conflict, Invalid, NotFound
from nas.export.drawing import with_drawn_weights
from nas.export.folder import NotAvailable, Parcel, require, write
from nas.export.form import ExportName, Refusal, Subject
from nas.export.forms import has_weights
from nas.export.scaled import scaled
from nas.export.size import Size
from nas.export.staging import new_folder
from nas.problem import StateConflict
from nas.subjects import ZOO_PREFIX, DigestReference, TrialReference, ZooReference, build_zoo, parse_reference
from search_spaces.architecture import Architecture
from search_spaces.scaling import Growth


@dataclass(frozen=True, slots=True)
class _Trial:
    """A trial of a study; without a number the best one."""

    study: str
    number: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What shall become of it."""

    form: ExportName
    folder: Path | None
    replace: bool
    task: str | None
    weights: bool
    seed: int
    size: Size
    as_json: bool


def export(
    what: Annotated[
        str,
        typer.Argument(
            metavar="STUDY|zoo:NAME|FILE.json|DIGEST",
            help="A study by id or name (or STUDY/TRIAL), a zoo entry, an architecture's document, or its digest.",
        ),
    ],
    trial: Annotated[int | None, typer.Option("--trial", min=0, help="The trial's number; default: the best one.")] = None,
    form: Annotated[
        ExportName | None, typer.Option("--format", help="Default: bundle for a trial at its own size, else huggingface.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="A new folder; default: named after what is in it.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the folder if it is an export.")] = False,
    task: Annotated[
        str | None, typer.Option("--task", help="Whose weights, where a study has several; else the first.")
    ] = None,
    weights: Annotated[bool, typer.Option("--weights/--no-weights", help="Leave weights out with --no-weights.")] = True,
    scale_to: Annotated[
        str | None, typer.Option("--scale-to", metavar="SIZE", help="Grow it to so many parameters, such as 350M.")
    ] = None,
    width: Annotated[int | None, typer.Option("--width", min=1, help="Grow it to this width.")] = None,
    depth: Annotated[int | None, typer.Option("--depth", min=1, help="Grow it to so many layers.")] = None,
    growth: Annotated[Growth | None, typer.Option("--growth", help="How layers multiply; default: by their pattern.")] = None,
    head_dim: Annotated[
        int | None, typer.Option("--head-dim", min=1, max=1024, help="Channels of a head in what is grown; default: as it has.")
    ] = None,
    vocab_size: Annotated[
        int | None, typer.Option("--vocab-size", min=2, max=1_000_000, help="Tokens, of a zoo entry or of what is grown.")
    ] = None,
    d_model: Annotated[int | None, typer.Option("--d-model", min=1, help="Width to build a zoo entry at; default: 64.")] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, max=2**63 - 1, help="Decides weights that are drawn; default: 0.")
    ] = None,
    url: Url = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Take home a trial, a zoo entry or any architecture, in a form that other programs load.

    native: a class of transformers. huggingface: the same, or code of its own for transformers. torch: one model.py. config:
    for training programs. onnx: the prefill graph. bundle: a trial with its results and provenance. all: all of them.
    """
    source = _source(what, trial)
    of_zoo, of_trial = isinstance(source, ZooReference), isinstance(source, _Trial)
    tokens = None if of_zoo else vocab_size
    size = Size(scale_to=scale_to, width=width, depth=depth, growth=growth, head_dim=head_dim, vocab_size=tokens)
    _refuse_options(what, {"trial": trial, "task": task} if not of_trial else {"seed": seed})
    _refuse_options(what, {"d_model": d_model} if not of_zoo else {})
    asked = _Asked(
        form=form or ("bundle" if of_trial and not size.is_asked else "huggingface"),
        folder=out,
        replace=force,
        task=task,
        weights=weights and not size.is_asked,
        seed=seed or 0,
        size=size,
        as_json=as_json,
    )
    if isinstance(source, _Trial):
        with Client(url, data_dir=data_dir) as nas:
            _take_home(nas, source, asked)
    elif isinstance(source, DigestReference):
        with Client(url, data_dir=data_dir) as nas:
            architecture = nas.architecture(source.digest).architecture
        _write(architecture, f"architecture {architecture.digest[:12]}", asked)
    elif isinstance(source, ZooReference):
        _write(build_zoo(source, d_model or ZOO_WIDTH, vocab_size or ZOO_VOCABULARY), str(source), asked)
    else:
        _write(_read(source), source.name, asked)


def best_trial(nas: Client, study: str) -> int:
    """The number of the first trial on the leaderboard that the search itself found. Raises `NotFound`."""
    best = next(nas.leaderboard(study, reference=False), None) or next(nas.leaderboard(study), None)
    if best is None:
        raise NotFound(f"nothing in {study} has a score yet; see: {typed('show', study)}")
    return best.trial.number


def _source(what: str, trial: int | None) -> "ZooReference | DigestReference | Path | _Trial":
    """What is meant: the words of `nas.subjects`, a file, or else a study."""
    if what.endswith(".json"):
        return Path(what)
    if trial is not None and not what.startswith(ZOO_PREFIX):
        return _Trial(what, trial)
    try:
        reference = parse_reference(what)
    except Invalid:
        return _Trial(what, None)
    return _Trial(reference.study, reference.number) if isinstance(reference, TrialReference) else reference


def _refuse_options(what: str, others: Mapping[str, object]) -> None:
    """Raise `Invalid` for an option that what is exported does not have."""
    for name, value in others.items():
        if value is not None:
            raise Invalid(f"--{name.replace('_', '-')} does not apply to {what}")


def _read(path: Path) -> Architecture:
    """An architecture's document. Raises `NotFound`, or `Invalid` with what is wrong in it."""
    if not path.is_file():
        raise NotFound(f"there is no file {path}")
    try:
        return Architecture.from_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise Invalid(f"{path} is not the document of an architecture: {error}") from error


def _take_home(nas: Client, source: "_Trial", asked: "_Asked") -> None:
    """A trial, written by the service."""
    number = best_trial(nas, source.study) if source.number is None else source.number
    ending = "" if asked.form == "bundle" else f"-{asked.form}"
    folder = asked.folder or Path(f"{_file_name(source.study)}-trial-{number}{ending}")
    try:
        nas.export(
            source.study,
            number,
            folder,
            replace=asked.replace,
            form=asked.form,
            task=asked.task,
            weights=asked.weights,
            size=asked.size,
        )
    except StateConflict as error:
        _print_refusal(asked, f"{source.study}/{number}", error.problem.reasons)
        raise
    report(folder, f"trial {number}", {"study": source.study, "trial": number}, as_json=asked.as_json)


def _write(architecture: Architecture, title: str, asked: "_Asked") -> None:
    """Anything else, written here."""
    folder = asked.folder or Path(f"{_file_name(title.removeprefix(ZOO_PREFIX).removesuffix('.json'))}-{asked.form}")
    plain = Parcel(subject=Subject(architecture=architecture, title=title))
    try:
        if asked.size.is_asked:
            plain = scaled(plain, asked.size)
        require(plain, asked.form)
        with new_folder(folder, replace=asked.replace) as staging, TemporaryDirectory(dir=staging.parent) as drawn:
            weighted = asked.weights and has_weights(asked.form)
            write(with_drawn_weights(plain, asked.seed, Path(drawn)) if weighted else plain, asked.form, staging)
    except NotAvailable as error:
        _print_refusal(asked, title, error.reasons)
        several = error.reasons if len(error.reasons) > 1 else ()
        raise Conflict("\n  ".join([str(error), *(f"{one.target}: {one.reason}" for one in several)])) from error
    report(folder, title, {"architecture": title}, as_json=asked.as_json)


def _print_refusal(asked: "_Asked", what: str, reasons: Iterable[Refusal]) -> None:
    if asked.as_json:
        print_json({"what": what, "format": asked.form, "folder": None, "reasons": [asdict(reason) for reason in reasons]})


def _file_name(study: str) -> str:
    """A name as a folder's: what a shell would need to quote becomes a dash."""
    return "".join(char if char.isalnum() or char in "-_." else "-" for char in study).lstrip(".-") or "study"
