"""Options that many commands share, spelled once."""

from pathlib import Path
from typing import Annotated

import typer

Url = Annotated[str | None, typer.Option("--url", help="The server; else NAS_URL, else what `nas up` wrote.")]
DataDir = Annotated[Path | None, typer.Option("--data-dir", help="The service's data directory; else NAS_DATA_DIR, else .nas.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object per line.")]
StudyArgument = Annotated[str, typer.Argument(metavar="STUDY", help="A study's id or name.")]
