"""Commands that go between a study and Optuna's storages: export, import."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from nas.cli.documents import read_object
from nas.cli.options import AsJson, DataDir, StudyArgument, Url
from nas.cli.output import plain, print_json, say
from nas.cli.typed import typed
from nas.client import Client
from nas.errors import Conflict, Invalid
from nas.objectives import objectives_of
from nas.optuna_storage import FORMS, NewStudy, read_best, write_study
from nas.optuna_trials import optuna_trials
from nas.starts import fitting, summary
from nas.submission import read_space
from nas.warm_start import MAX_STARTS, TOP

VALUES = "values are those of the search, on validation data; the user attribute score is on test data"

HELP = "Take a study to Optuna's tools, or begin one with an Optuna study."

app = typer.Typer(add_completion=False, no_args_is_help=True, help=HELP)

Storage = Annotated[str, typer.Argument(metavar="URL", help=f"{FORMS}.")]


@app.command("export")
def export_study(
    study: StudyArgument,
    storage: Storage,
    name: Annotated[str | None, typer.Option("--name", help="What the study is called there; default: its own name.")] = None,
    url: Url = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Write a study into an Optuna storage, for optuna.load_study and optuna-dashboard.

    Trials keep their numbers and params. Values are what the search saw, on validation data; the test score with its interval,
    the rung, the reason and the cost are user attributes. References fail there, since they have no params.
    """
    with Client(url, data_dir=data_dir) as nas:
        found = nas.study(study)
        spec = found.spec
        metrics = objectives_of(spec)
        attributes = {"nas_study": found.row.id, "nas_spec": json.loads(spec.canonical_json()), "nas_values": VALUES}
        new = NewStudy(
            name=name or spec.name,
            objectives=[metric.name for metric in metrics],
            maximize=[metric.maximize for metric in metrics],
            attributes=attributes,
        )
        n_trials = write_study(storage, new, optuna_trials(spec, nas.history(found.row.id)))
    if as_json:
        print_json({"study": found.row.id, "name": new.name, "trials": n_trials})
        return
    say(f'{n_trials:,} trials are in the study "{new.name}"; {VALUES}')


@app.command("import")
def import_study(
    storage: Storage,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The study to begin, as JSON; - reads standard input.")],
    name: Annotated[str | None, typer.Option("--name", help="Which study of the storage, where it has several.")] = None,
    top: Annotated[int, typer.Option("--top", min=1, max=MAX_STARTS, help="How many of its best trials to take.")] = TOP,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the study here instead of printing it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Let a study begin with the best trials of an Optuna study.

    Takes those whose params are a member of the study's space, and prints the study with them as its warm start, for
    nas submit. Nothing in the storage is run or changed.
    """
    document = read_object(file, "a study, such as nas/examples/demo.json,")
    if "warm_start" in document:
        raise Invalid(f"{file} has a warm_start already; leave it out, or submit the study as it is")
    chosen, trials = read_best(storage, name)
    kept, left_out = fitting(read_space(document), ((trial.number, trial.params) for trial in trials), top)
    note = summary(f'the best of Optuna study "{chosen}"', kept, left_out)
    if not kept:
        raise Invalid(note if left_out else f"{note}: it has no complete and feasible trial")
    warm = {**document, "warm_start": {"params": [params for _, params in kept], "notes": [note]}}
    say(note)
    text = json.dumps(warm, indent=None if as_json else 2, ensure_ascii=False) + "\n"
    if out is None:
        sys.stdout.write(text)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Conflict(f"cannot write {out}: {error.strerror}; give another file with --out") from error
    if as_json:
        print_json({"file": str(out), "params": len(kept)})
        return
    sys.stdout.write(f"{plain(out)}\n")
    say(f"submit it with: {typed('submit', str(out))}")
