"""`nas verify`: whether an export is what it says it is."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from nas.cli.failures import CheckFailed
from nas.cli.options import AsJson
from nas.cli.output import print_json, say
from nas.errors import NotFound
from nas.settings import Settings


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


def _verify_as_json(command: list[str]) -> bool:
    """Run it and print its document on one line. Returns whether nothing failed."""
    done = subprocess.run([*command, "--json"], stdout=subprocess.PIPE, check=False)
    if done.stdout:
        print_json(json.loads(done.stdout))
    return done.returncode == 0
