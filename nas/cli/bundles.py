"""Commands about bundles: export and verify."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from nas.cli.failures import CheckFailed
from nas.cli.options import AsJson, DataDir, StudyArgument, Url
from nas.cli.output import print_json, say
from nas.cli.typed import typed
from nas.client import Client
from nas.errors import NotFound
from nas.settings import Settings


def export(
    study: StudyArgument,
    trial: Annotated[int | None, typer.Option("--trial", min=0, help="The trial's number; default: the best one.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="A new folder; default: STUDY-trial-N.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the folder if it exists.")] = False,
    url: Url = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Take a trial home as a bundle that rebuilds and runs.

    The bundle holds architecture, weights, results, provenance, and what `nas verify` needs to check them.
    """
    with Client(url, data_dir=data_dir) as nas:
        number = best_trial(nas, study) if trial is None else trial
        folder = out or Path(f"{_file_name(study)}-trial-{number}")
        files = nas.export(study, number, folder, replace=force)
    if as_json:
        print_json({"study": study, "trial": number, "folder": str(folder), "files": sorted(map(str, files))})
        return
    sys.stdout.write(f"{folder}\n")
    say(f"trial {number} is in {folder} ({len(files)} files); check it with: {typed('verify', str(folder))}")


def verify(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="The folder that nas export made.")],
    data_root: Annotated[
        Path | None,
        typer.Option(
            "--data-root", exists=True, file_okay=False, help="The folder of your own corpora; default: NAS_DATA_ROOT."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Rebuild a bundle and reproduce its recorded numbers.

    Runs `python -m workers.verify`, which needs torch; the rest of this command line does not.
    """
    if not (bundle / "manifest.json").is_file():
        raise NotFound(f"{bundle} is not a bundle: it has no manifest.json")
    root = data_root or Settings().data_root
    command = [sys.executable, "-m", "workers.verify", str(bundle)]
    command += [f"--data-root={root}"] if root else []
    if not (_verify_as_json(command) if as_json else subprocess.run(command, check=False).returncode == 0):
        raise CheckFailed(f"{bundle} does not verify")
    say(f"{bundle} verifies: everything that could be checked here holds")


def best_trial(nas: Client, study: str) -> int:
    """The number of the first trial on the leaderboard that the search itself found. Raises `NotFound`."""
    best = next(nas.leaderboard(study, reference=False), None) or next(nas.leaderboard(study), None)
    if best is None:
        raise NotFound(f"nothing in {study} has a score yet; see: {typed('show', study)}")
    return best.trial.number


def _verify_as_json(command: list[str]) -> bool:
    """Run it and print its document on one line. Returns whether nothing failed."""
    done = subprocess.run([*command, "--json"], stdout=subprocess.PIPE, check=False)
    if done.stdout:
        print_json(json.loads(done.stdout))
    return done.returncode == 0


def _file_name(study: str) -> str:
    """A study's name as a folder's: what a shell would need to quote becomes a dash."""
    return "".join(char if char.isalnum() or char in "-_." else "-" for char in study).lstrip(".-") or "study"
