"""`nas verify`: whether an export is what it says it is."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from nas.cli.failures import CheckFailed
from nas.cli.options import AsJson
from nas.cli.output import print_json, say
from nas.errors import NotFound
from nas.export.archive import unpack
from nas.export.staging import MANIFESTS, is_export
from nas.settings import Settings


def verify(
    export: Annotated[Path, typer.Argument(metavar="EXPORT", help="What nas export wrote: a folder, or its zip or tar.")],
    data_root: Annotated[
        Path | None,
        typer.Option(
            "--data-root", exists=True, file_okay=False, help="The folder of your own corpora; default: NAS_DATA_ROOT."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check an export: every file, the model rebuilt, each form loaded by a fresh process without us, recorded values.

    Needs no network. Runs `python -m workers.verify`, which needs torch; the rest of this command line does not.
    """
    with _folder_of(export) as folder:
        root = data_root or Settings().data_root
        command = [sys.executable, "-m", "workers.verify", str(folder)]
        command += [f"--data-root={root}"] if root else []
        verified = _verify_as_json(command) if as_json else subprocess.run(command, check=False).returncode == 0
    if not verified:
        raise CheckFailed(f"{export} does not verify")
    say(f"{export} verifies: everything that could be checked here holds")


@contextmanager
def _folder_of(export: Path) -> Iterator[Path]:
    """The folder itself, or what is in an archive, in a folder that is gone at the end.

    Raises `NotFound` for what is no export, `Invalid` for an archive that leads outside or whose files are not as they say.
    """
    if not export.is_file():
        if not export.exists():
            raise NotFound(f"there is no {export}; give the folder or the archive that nas export wrote")
        if not is_export(export):
            raise NotFound(f"{export} is not an export: it has none of {', '.join(MANIFESTS)}")
        yield export
        return
    with TemporaryDirectory(prefix="nas-verify-") as scratch, export.open("rb") as archive:
        unpack(archive, Path(scratch) / "export")
        yield Path(scratch) / "export"


def _verify_as_json(command: list[str]) -> bool:
    """Run it and print its document on one line. Returns whether nothing failed."""
    done = subprocess.run([*command, "--json"], stdout=subprocess.PIPE, check=False)
    if done.stdout:
        print_json(json.loads(done.stdout))
    return done.returncode == 0
