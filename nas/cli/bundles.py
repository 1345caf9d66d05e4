"""Commands about bundles: export."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from nas.cli.native import PREFIX, export_zoo
from nas.cli.options import AsJson, DataDir, Url
from nas.cli.output import print_json, say
from nas.cli.typed import typed
from nas.client import Client
from nas.errors import Invalid, NotFound


def export(
    study: Annotated[str, typer.Argument(metavar="STUDY|zoo:NAME", help="A study's id or name, or a zoo entry.")],
    trial: Annotated[int | None, typer.Option("--trial", min=0, help="The trial's number; default: the best one.")] = None,
    form: Annotated[
        Literal["bundle", "native"] | None,
        typer.Option("--format", help="bundle: of a trial. native: a zoo entry as transformers loads it."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A new folder; default: STUDY-trial-N or NAME-native.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the folder if it is a bundle.")] = False,
    d_model: Annotated[int | None, typer.Option("--d-model", min=1, help="Width of the zoo entry; default: 64.")] = None,
    vocab_size: Annotated[
        int | None, typer.Option("--vocab-size", min=2, max=1_000_000, help="Tokens of the zoo entry; default: 256.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, max=2**63 - 1, help="Decides the zoo entry's weights; default: 0.")
    ] = None,
    url: Url = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Take home a trial as a bundle that rebuilds and runs, or a zoo entry that transformers loads.

    The bundle holds architecture, weights, results, provenance, and what `nas verify` needs to check them. A native export
    holds a config, drawn weights, and tokens with our logits on them; it needs no service.
    """
    if study.startswith(PREFIX):
        _refuse_options(study, form, "native", trial=trial, force=force or None)
        name = study.removeprefix(PREFIX)
        sizes = {"d_model": 64 if d_model is None else d_model, "vocab_size": 256 if vocab_size is None else vocab_size}
        export_zoo(name, out or Path(f"{name}-native"), **sizes, seed=seed or 0, as_json=as_json)
        return
    _refuse_options(study, form, "bundle", d_model=d_model, vocab_size=vocab_size, seed=seed)
    with Client(url, data_dir=data_dir) as nas:
        number = best_trial(nas, study) if trial is None else trial
        folder = out or Path(f"{_file_name(study)}-trial-{number}")
        files = nas.export(study, number, folder, replace=force)
    if as_json:
        print_json({"study": study, "trial": number, "folder": str(folder), "files": sorted(map(str, files))})
        return
    sys.stdout.write(f"{folder}\n")
    say(f"trial {number} is in {folder} ({len(files)} files); check it with: {typed('verify', str(folder))}")


def _refuse_options(what: str, form: str | None, only: str, **others: int | None) -> None:
    """Raise `Invalid` for a format, or an option, that what is exported does not have."""
    if form not in (None, only):
        raise Invalid(f"{what} can only be exported with --format {only}")
    for name, value in others.items():
        if value is not None:
            raise Invalid(f"--{name.replace('_', '-')} does not apply to {what}")


def best_trial(nas: Client, study: str) -> int:
    """The number of the first trial on the leaderboard that the search itself found. Raises `NotFound`."""
    best = next(nas.leaderboard(study, reference=False), None) or next(nas.leaderboard(study), None)
    if best is None:
        raise NotFound(f"nothing in {study} has a score yet; see: {typed('show', study)}")
    return best.trial.number


def _file_name(study: str) -> str:
    """A study's name as a folder's: what a shell would need to quote becomes a dash."""
    return "".join(char if char.isalnum() or char in "-_." else "-" for char in study).lstrip(".-") or "study"
