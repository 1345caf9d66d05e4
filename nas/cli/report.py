"""`nas report`: what a study may claim, as a page for people and as data."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from nas.cli.options import AsJson, DataDir, StudyArgument, Url
from nas.cli.output import plain, say
from nas.client import Client
from nas.errors import Conflict, Invalid
from nas.report.document import Report
from nas.report.page import page, study_json


def report(
    study: StudyArgument,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The folder for the files; default: report- and the study's name.")
    ] = None,
    as_html: Annotated[bool, typer.Option("--html", help="Print the page instead of writing files.")] = False,
    url: Url = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Write what a study may claim: a page, its data, and the study.

    report.html needs nothing else, report.json has the same as data, study.json repeats the study with nas submit. With --json
    or --html the document is printed, and files are written only where --out says.
    """
    if as_html and as_json:
        raise Invalid("one document at a time is printed: give --html or --json")
    with Client(url, data_dir=data_dir) as nas:
        found = nas.report(study)
    if as_html or as_json:
        sys.stdout.write(page(found) if as_html else found.to_json() + "\n")
    if out is not None or not (as_html or as_json):
        _write(found, out or Path(_folder_name(found.study.name)))


def _write(found: Report, folder: Path) -> None:
    """Three files, which an older report's may be; each name is on stdout. Raises `Conflict` where they cannot be written."""
    texts = {"report.html": page(found), "report.json": found.to_json() + "\n", "study.json": study_json(found.spec) + "\n"}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
            sys.stdout.write(f"{plain(folder / name)}\n")
    except OSError as error:
        raise Conflict(f"cannot write into {folder}: {error.strerror}; give another folder with --out") from error
    for warning in found.warnings:
        say(f"note: {warning}")


def _folder_name(name: str) -> str:
    """What a shell would need to quote becomes a dash."""
    return "report-" + "".join(char if char.isalnum() or char in "-_." else "-" for char in name)
